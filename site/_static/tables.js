// A table that is wider than its place scrolls; so that the keyboard can scroll it, it takes focus.
document.addEventListener("DOMContentLoaded", () => {
  const tables = document.querySelectorAll(".bd-article table");
  const mark = () =>
    tables.forEach((table) => {
      if (table.scrollWidth > table.clientWidth) table.tabIndex = 0;
      else table.removeAttribute("tabindex");
    });
  mark();
  window.addEventListener("resize", mark);
});
