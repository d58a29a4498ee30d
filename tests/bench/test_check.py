from imbbench.bench import check


def test_strategy_table_tells_definitions_parameters_and_limits(study):
    table = check.strategy_table(study, "weighting").set_index("strategy")
    assert table.loc["`table_3`", "parameters"] == "table = healthy: 1, ill: 3"
    assert table.loc["`table_3`", "what it does"].endswith(".")
    assert "only" not in table
    table = check.strategy_table(study, "reference").set_index("strategy")
    assert table.loc["`dummy`", "only"] == "learners tree"
    assert table.loc["`plain`", "control"] == ""
