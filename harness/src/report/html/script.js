"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  // Rows drawn at a time.
  const PAGE = 200;
  const data = JSON.parse(document.getElementById("data").textContent);

  // --- rows of folded groups

  function shape(name, attributes) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  // From microseconds since the axis' zero to percent.
  function place(stops, at) {
    for (let i = 1; i < stops.length; i++) {
      if (at <= stops[i][0]) {
        const [from, low] = stops[i - 1], [to, high] = stops[i];
        return Math.max(0, low + ((high - low) * (at - from)) / (to - from));
      }
    }
    return 100;
  }

  function time(group, at) {
    const millis = (Math.abs(at) / 1000).toFixed(1) + " ms";
    return group.t0 ? (at < 0 ? "T0-" : "T0+") + millis : millis;
  }

  function breaks(group, [at, clause, known]) {
    return `breaks ${data.clauses[clause]}${known ? ", which is known" : ""}, ${time(group, at)}`;
  }

  function told(group, lane) {
    const [id, opened, , over, end, owner, requests, , marks] = lane;
    const ended = data.ends[end][0] + (end === 0 ? "" : " at " + time(group, over));
    const breach = marks.map((mark) => "; " + breaks(group, mark)).join("");
    return `${group.role}#${id}, held by ${data.owners[owner]}; opened ${time(group, opened)}; ` +
      `${requests} ${requests === 1 ? "request" : "requests"}; ${ended}${breach}`;
  }

  function row(group, lane) {
    const [id, opened, connected, over, end, , , bars, marks] = lane;
    const x = (at) => place(group.stops, at).toFixed(2) + "%";
    const what = told(group, lane);
    const track = shape("svg", { class: "track lane", height: 18, role: marks.length ? "group" : "img", "aria-label": what });
    const title = shape("title", {});
    title.textContent = what;
    track.append(title);
    const line = (kind, from, to) => track.append(shape("line", { class: kind, x1: x(from), x2: x(to), y1: 9, y2: 9 }));
    line("wait", opened, connected ?? over);
    if (connected !== null) line("conn", connected, over);
    for (let i = 0; i < bars.length; i += 3) {
      const from = Math.min(place(group.stops, bars[i]), 99.75);
      const width = Math.max(place(group.stops, bars[i + 1]) - from, 0.25);
      const kind = bars[i + 2] ? "req" : "req lost";
      track.append(shape("rect", { class: kind, x: from.toFixed(2) + "%", width: width.toFixed(2) + "%", y: 5, height: 8 }));
    }
    const glyph = (name, at) => shape("use", { class: name, href: "#g-" + name, x: x(at), y: 9 });
    if (data.ends[end][1]) track.append(glyph(data.ends[end][1], over));
    for (const mark of marks) {
      const link = shape("a", { href: "#clause-" + data.clauses[mark[1]], "aria-label": breaks(group, mark) });
      link.append(glyph(mark[2] ? "known" : "broken", mark[0]));
      track.append(link);
    }
    const element = document.createElement("div");
    element.className = marks.some((mark) => !mark[2]) ? "row bad" : "row";
    const name = document.createElement("span");
    name.className = "name";
    const full = document.getElementById(`l${group.scene}-${id}`);
    if (full && !full.dataset.drawn) {
      const link = document.createElement("a");
      link.href = "#" + full.id;
      link.textContent = `${group.role}#${id}`;
      name.append(link);
    } else {
      name.textContent = `${group.role}#${id}`;
      element.id = `l${group.scene}-${id}`;
      element.dataset.drawn = "1";
      element.tabIndex = -1;
    }
    element.append(name, track);
    return element;
  }

  // Draws further rows of a group, up to the lane at `until` at least.
  function draw(details, until) {
    const group = data.groups[Number(details.dataset.group)];
    const lanes = details.querySelector(".lanes");
    const drawn = Number(lanes.dataset.rows || 0);
    if (drawn > until || drawn >= group.lanes.length) return;
    lanes.querySelector(":scope > noscript, :scope > p, :scope > button")?.remove();
    lanes.querySelector(":scope > button")?.remove();
    const end = Math.min(group.lanes.length, Math.max(until + 1, drawn + PAGE));
    const rows = document.createDocumentFragment();
    for (let i = drawn; i < end; i++) rows.append(row(group, group.lanes[i]));
    lanes.append(rows);
    lanes.dataset.rows = end;
    const left = group.lanes.length - end;
    if (left > 0) {
      const more = document.createElement("button");
      more.type = "button";
      more.textContent = `Draw ${Math.min(left, PAGE)} more of ${left}`;
      more.addEventListener("click", () => {
        draw(details, end);
        lanes.children[end]?.querySelector("a")?.focus();
      });
      lanes.append(more);
    } else if (group.more > 0) {
      const note = document.createElement("p");
      note.textContent = `${group.more} more are not in this file.`;
      lanes.append(note);
    }
  }

  document.addEventListener("toggle", (event) => {
    const details = event.target;
    if (details.open && details.dataset?.group !== undefined) draw(details, 0);
  }, true);
  for (const details of document.querySelectorAll("details[data-group][open]")) draw(details, 0);

  // --- links into what is folded

  // The folded group that a lane is in, if its row is not drawn yet.
  function unfold(id) {
    const found = /^l(\d+)-(\d+)$/.exec(id);
    if (!found) return;
    const [scene, lane] = [Number(found[1]), Number(found[2])];
    for (const details of document.querySelectorAll("details[data-group]")) {
      const group = data.groups[Number(details.dataset.group)];
      const at = group.scene === scene ? group.lanes.findIndex((one) => one[0] === lane) : -1;
      if (at >= 0) {
        details.open = true;
        draw(details, at);
        return;
      }
    }
  }

  function reveal() {
    const id = decodeURIComponent(location.hash.slice(1));
    if (!id) return;
    if (!document.getElementById(id)) unfold(id);
    const target = document.getElementById(id);
    if (!target) return;
    const hidden = target.closest("tr[hidden]");
    if (hidden) clear();
    for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
    for (const one of document.querySelectorAll(".flash")) one.classList.remove("flash");
    if (target.hasAttribute("tabindex")) {
      target.classList.add("flash");
      target.focus({ preventScroll: true });
    }
    target.scrollIntoView({ block: target.offsetHeight > innerHeight / 2 ? "start" : "center" });
  }
  addEventListener("hashchange", reveal);
  // A link to where one already is changes no hash.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    if (link && link.getAttribute("href") === location.hash) reveal();
  });

  // --- the filter

  const form = document.getElementById("filter");
  const words = document.getElementById("words");
  const rows = [...document.querySelectorAll("#rows > tr")];
  const texts = new Map();

  function filter() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdicts = new Set([...form.querySelectorAll("[name=verdict]:checked")].map((box) => box.value));
    let shown = 0;
    for (const one of rows) {
      if (wanted.length && !texts.has(one)) texts.set(one, one.textContent.toLowerCase());
      const fits = verdicts.has(one.dataset.verdict) && wanted.every((word) => texts.get(one).includes(word));
      one.hidden = !fits;
      shown += fits;
    }
    document.getElementById("shown").textContent = `${shown} of ${rows.length} shown`;
    document.getElementById("none").hidden = shown > 0;
  }

  function clear() {
    form.reset();
    filter();
  }

  if (form) {
    form.hidden = false;
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    words.addEventListener("keydown", (event) => {
      if (event.key === "Escape") clear();
    });
    // What a browser kept of an earlier visit.
    filter();
  }
  reveal();
})();
