// Sorting and filtering of the leaderboard; the choice stands in the address, so it can be sent on.
document.addEventListener("DOMContentLoaded", () => {
  const table = document.querySelector("table.leaderboard");
  if (!table) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const form = document.querySelector(".leaderboard-form");
  const fields = [...form.querySelectorAll("select, input")];
  const first = Object.fromEntries(fields.map((field) => [field.name, field.value]));
  const count = document.querySelector(".leaderboard-count");
  let state;
  form.hidden = false;

  function value(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.value ?? cell.textContent.trim();
    return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
  }

  function show() {
    const words = state.get("name").toLowerCase();
    let shown = 0;
    for (const row of rows) {
      const keep =
        row.cells[0].textContent.toLowerCase().includes(words) &&
        fields.every(
          ({ name }) => name === "name" || !state.get(name) || row.dataset[name] === state.get(name)
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
    table.querySelectorAll("thead th").forEach((th, i) => {
      th.setAttribute("aria-sort", i === column ? (sign > 0 ? "ascending" : "descending") : "none");
    });
  }

  // "all" is an empty value that stays in the address: it is not what one sees first.
  function read() {
    state = new URLSearchParams(location.hash.slice(1));
    for (const field of fields) {
      if (!state.has(field.name)) state.set(field.name, first[field.name]);
      field.value = state.get(field.name);
    }
    show();
  }

  function changed() {
    history.replaceState(null, "", `#${state}`);
    show();
  }

  for (const field of fields) {
    field.addEventListener("input", () => {
      state.set(field.name, field.value);
      changed();
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  table.querySelectorAll("thead th button").forEach((button, i) => {
    button.addEventListener("click", () => {
      const same = (state.get("sort") ?? "1") === String(i);
      if (same && !state.get("up")) state.set("up", "1");
      else state.delete("up");
      state.set("sort", String(i));
      changed();
    });
  });
  window.addEventListener("hashchange", read);
  read();
});
