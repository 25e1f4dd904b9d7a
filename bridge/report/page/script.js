"use strict";
// Filters and sorts the rows. Without it, the page shows the same, and its counts lead to the first row of each state.
(() => {
  const find = (id) => document.getElementById(id);
  const list = document.querySelector(".list");
  const rows = [...list.querySelectorAll("details")];
  if (rows.length < 2) return;
  const counts = [...document.querySelectorAll(".counts a")];
  const words = find("words"), sort = find("sort"), all = find("all"), shown = find("shown"), none = find("none");
  // The links' targets: from here on, a link filters instead.
  for (const mark of list.querySelectorAll("summary [id]")) mark.remove();
  const texts = new Map();
  const text = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const orders = {
    name: (a, b) => a.at - b.at,
    cluster: (a, b) => compare(a.cluster, b.cluster) || a.at - b.at,
    age: (a, b) => b.age - a.age || b.old - a.old || a.at - b.at,
    changed: (a, b) => compare(b.changed, a.changed) || a.at - b.at,
  };
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const cell = (row, name) => row.querySelector("summary " + name).textContent;
  const byName = new Intl.Collator("en", { numeric: true });
  const keys = rows.map((row) => ({
    row,
    name: cell(row, ".n"),
    cluster: cell(row, ".c"),
    changed: cell(row, ".t"),
    age: Number(row.dataset.age || -1),
    old: Number(row.dataset.old || -1),
    states: row.dataset.s.split(" "),
  }));
  [...keys].sort((a, b) => byName.compare(a.name, b.name)).forEach((key, at) => (key.at = at));
  let sorted = "";
  let wanted = new URLSearchParams();

  const show = () => {
    const state = wanted.get("state") || "", order = wanted.get("sort") || "", query = wanted.get("q") || "";
    if (document.activeElement !== words) words.value = query;
    sort.value = order in orders ? order : "";
    const terms = query.toLowerCase().split(/\s+/).filter(Boolean);
    let number = 0;
    for (const { row, states } of keys) {
      row.hidden = (state && !states.includes(state)) || !terms.every((term) => text(row).includes(term));
      number += !row.hidden;
    }
    if (sort.value !== sorted) {
      sorted = sort.value;
      list.append(...(sorted ? [...keys].sort(orders[sorted]) : keys).map((key) => key.row));
    }
    for (const link of counts) {
      if (link.dataset.state === state) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const count = (value) => value.toLocaleString("en");
    shown.textContent = (number === rows.length ? "" : count(number) + " of ") + count(rows.length) + " shown";
    none.hidden = number > 0;
  };
  const read = () => {
    wanted = new URLSearchParams(location.hash.slice(1));
    show();
  };
  const set = (name, value) => {
    if (value) wanted.set(name, value);
    else wanted.delete(name);
    try {
      history.replaceState(null, "", "#" + wanted);
    } catch {
      // A viewer without an origin of its own does not allow this; the page works, only its address stays the same.
    }
    show();
  };

  words.addEventListener("input", () => set("q", words.value.trim()));
  sort.addEventListener("change", () => set("sort", sort.value));
  all.addEventListener("click", () => {
    const open = all.textContent === "Open all";
    for (const row of rows) if (!row.hidden || !open) row.open = open;
    all.textContent = open ? "Close all" : "Open all";
  });
  for (const link of counts) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      set("state", link.dataset.state === wanted.get("state") ? "" : link.dataset.state);
    });
  }
  none.querySelector("a").addEventListener("click", () => set("q", (words.value = "")));
  addEventListener("hashchange", read);
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|SELECT/.test(document.activeElement.tagName)) {
      event.preventDefault();
      words.focus();
    } else if (event.key === "Escape" && document.activeElement === words) {
      words.value = "";
      set("q", "");
    }
  });
  document.querySelector(".tools").hidden = false;
  read();
})();
