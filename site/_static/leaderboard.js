// Sorting and filtering of the leaderboard; the choice stands in the address, so it can be sent on.
document.addEventListener("DOMContentLoaded", () => {
  const table = document.querySelector("table.leaderboard");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const form = document.querySelector(".leaderboard-form");
  const count = document.querySelector(".leaderboard-count");
  const state = new URLSearchParams(location.hash.slice(1));
  form.hidden = false;

  function value(row, column) {
    const cell = row.cells[column];
    const number = parseFloat(cell.dataset.value);
    return Number.isNaN(number) ? (cell.dataset.value ?? cell.textContent.trim()) : number;
  }

  function show() {
    const words = (state.get("name") ?? "").toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const keep =
        row.cells[0].textContent.toLowerCase().includes(words) &&
        [...form.querySelectorAll("select")].every(
          (select) => !state.get(select.name) || row.dataset[select.name] === state.get(select.name)
        );
      row.hidden = !keep;
      shown += keep;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
    const column = parseInt(state.get("sort") ?? "1", 10);
    const sign = state.get("up") ? 1 : -1;
    const sorted = [...rows].sort((a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * (x < y ? -1 : x > y ? 1 : 0);
    });
    body.append(...sorted);
    table.querySelectorAll("th").forEach((th, i) => {
      th.setAttribute("aria-sort", i === column ? (sign > 0 ? "ascending" : "descending") : "none");
    });
    history.replaceState(null, "", `#${state}`);
  }

  for (const field of form.querySelectorAll("select, input")) {
    field.value = state.get(field.name) ?? field.value;
    if (field.value) state.set(field.name, field.value);
    field.addEventListener("input", () => {
      if (field.value) state.set(field.name, field.value);
      else state.delete(field.name);
      show();
    });
  }
  table.querySelectorAll("th button").forEach((button, i) => {
    button.addEventListener("click", () => {
      const same = state.get("sort") === String(i);
      if (same && !state.get("up")) state.set("up", "1");
      else state.delete("up");
      state.set("sort", String(i));
      show();
    });
  });
  show();
});
