// The page's behaviour: plots, table, selection, drawings. Text of runs enters by textContent alone.
"use strict";
(() => {
  const { plots, runs, networks, judged, curves } = JSON.parse(document.getElementById("values").textContent);
  const byId = (id) => document.getElementById(id);
  const ROWS = 100;
  const count = networks.specs.length;
  const fields = new Map(networks.fields.map((field) => [field.key, field]));
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const runColour = (run) => colour(`run-${run % 6}`);
  const state = { chosen: -1, beside: -1, x: "", y: "", filter: "", sort: "", down: false, rows: ROWS, views: [] };

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== null) element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }
  function svg(tag, attributes = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }
  const option = (value, text) => make("option", { value }, text);
  const short = (number) => {
    if (number === null || number === undefined) return "–";
    for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["K", 1e3]]) {
      if (Math.abs(number) >= size) return `${+(number / size).toPrecision(4)}${unit}`;
    }
    return String(+number.toPrecision(5));
  };
  const percent = (part, whole) => (whole ? `${Math.round((100 * part) / whole)}%` : "–");

  async function copy(text, what) {
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = make("textarea", { class: "hidden" }, text);
      document.body.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    byId("copied").textContent = done ? `${what} copied` : `${what} could not be copied`;
    return done;
  }
  function copyButton(button, text, what) {
    const before = (button.dataset.label ??= button.textContent);
    copy(text, what).then((done) => {
      button.textContent = done ? "Copied" : "Not copied";
      setTimeout(() => (button.textContent = before), 1200);
    });
  }

  // Charts. The expression interpreter of Vega needs no eval, which the page's policy forbids.
  function config() {
    return {
      background: null, font: "system-ui, sans-serif", view: { stroke: null },
      axis: { labelColor: colour("soft"), titleColor: colour("soft"), gridColor: colour("line"), domainColor: colour("line"),
        tickColor: colour("line"), titleFontWeight: "normal", labelFontSize: 12, titleFontSize: 13 },
      axisYQuantitative: { minExtent: 42 }, // room for longer labels of other ticks, which would push the title out
      legend: { labelColor: colour("soft"), titleColor: colour("soft"), labelLimit: 260, orient: "bottom" },
      title: { color: colour("soft") },
    };
  }
  const tip = byId("tip");
  function tooltip(handler, event, item, value) {
    if (!value) { tip.hidden = true; return; }
    tip.textContent = typeof value === "object" ? Object.entries(value).map(([k, v]) => `${k}: ${v}`).join("\n") : String(value);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8))}px`;
    tip.style.top = `${event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18}px`;
  }
  async function plot(element, spec, label) {
    const holder = make("div", { class: "chart" });
    element.replaceChildren(holder);
    const full = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", width: "container", height: 330, config: config(),
      autosize: { type: "fit", contains: "padding" }, ...spec };
    const { view } = await vegaEmbed(holder, full, { ast: true, actions: false, defaultStyle: false, renderer: "canvas", tooltip, mode: "vega-lite", logLevel: 1 });
    const canvas = holder.querySelector("canvas");
    canvas?.setAttribute("role", "img");
    canvas?.setAttribute("aria-label", label);
    return view;
  }
  const SI = { format: "~s" };
  const quantitative = (field, title, extra = {}) => ({ field, type: "quantitative", title, scale: { zero: false, nice: true, padding: 14 }, axis: SI, ...extra });

  // The scatter of networks: one chart for each space, since spaces do not compare.
  const matches = (id) => {
    for (const word of state.filter.toLowerCase().split(/\s+/).filter(Boolean)) {
      const limit = /^([a-z][\w-]*)(<=|>=|<|>|=)(-?[\d.]+)([kmg]?)%?$/.exec(word);
      const field = limit && (fields.get(limit[1]) ?? networks.fields.find((one) => one.title.toLowerCase() === limit[1]));
      if (field && !field.text) {
        const value = field.values[id], bound = Number(limit[3]) * { "": 1, k: 1e3, m: 1e6, g: 1e9 }[limit[4]];
        const holds = { "<": value < bound, ">": value > bound, "<=": value <= bound, ">=": value >= bound, "=": value === bound }[limit[2]];
        if (value === null || !holds) return false;
      } else if (!`${networks.specs[id]} ${networks.labels[id]} ${networks.roles[id]}`.toLowerCase().includes(word)) return false;
    }
    return true;
  };
  const shownIds = () => [...Array(count).keys()].filter(matches);
  const spaces = [...new Set(networks.spaces)].slice(0, plots);

  function points(space) {
    const x = fields.get(state.x), y = fields.get(state.y), front = fields.get("front"), rank = fields.get("rank");
    return shownIds().filter((id) => networks.spaces[id] === space && x?.values[id] != null && y?.values[id] != null).map((id) => ({
      id, x: x.values[id], y: y.values[id], run: networks.runs[id], role: networks.roles[id], label: networks.labels[id],
      front: front?.values[id] === "yes", first: networks.roles[id] === "candidate" && rank?.values[id] != null && rank.values[id] <= 10 && !front,
      tip: `${networks.labels[id]}\n${y.title}: ${y.shown[id]}\n${x.title}: ${x.shown[id]}${rank && rank.values[id] ? `\nrank: ${rank.shown[id]}` : ""}`,
    }));
  }
  function scatter(rows) {
    const x = fields.get(state.x), y = fields.get(state.y);
    const run = { field: "run", type: "nominal", legend: null, scale: { domain: runs.map((_, i) => i), range: runs.map((_, i) => runColour(i)) } };
    const at = { x: quantitative("x", x.label), y: quantitative("y", y.label), tooltip: { field: "tip", type: "nominal" } };
    return {
      data: { name: "points", values: rows },
      params: [{ name: "chosen", value: state.chosen }, { name: "beside", value: state.beside }],
      layer: [
        ...(!rows.some((one) => one.front) ? [] : [{ transform: [{ filter: "datum.front" }], mark: { type: "line", strokeWidth: 1.5, opacity: 0.7, tooltip: null },
          encoding: { x: at.x, y: at.y, color: run, order: { field: "x", type: "quantitative" } } }]),
        { transform: [{ filter: "datum.role == 'candidate'" }], mark: { type: "point", filled: true, cursor: "pointer" },
          encoding: { ...at, color: run, size: { condition: { test: "datum.first || datum.front", value: 70 }, value: 34 },
            opacity: { condition: { test: "datum.first || datum.front", value: 0.95 }, value: 0.4 } } },
        { transform: [{ filter: "datum.role == 'reference'" }], mark: { type: "point", filled: true, shape: "diamond", size: 130, cursor: "pointer", color: colour("mark"), opacity: 1 }, encoding: at },
        ...[{ stroke: colour("card"), strokeWidth: 4, strokeJoin: "round" }, {}].map((halo) => ({ transform: [{ filter: "datum.role == 'reference'" }],
          mark: { type: "text", baseline: "bottom", dy: -9, color: colour("mark"), fontSize: 12, limit: 170, tooltip: null, interactive: false, ...halo },
          encoding: { x: at.x, y: at.y, text: { field: "label", type: "nominal" } } })),
        { transform: [{ filter: "datum.id == chosen" }], mark: { type: "point", size: 260, filled: false, strokeWidth: 2.5, color: colour("ink"), tooltip: null, interactive: false, opacity: 1 }, encoding: { x: at.x, y: at.y } },
      ],
    };
  }
  async function plotNetworks() {
    const drawn = (state.drawn = {});
    const boxes = spaces.map((space) => ({ space, box: make("div", { class: "plot" }), rows: points(space) }));
    byId("plots").replaceChildren(...boxes.map(({ box }) => box));
    const views = [];
    for (const { space, box, rows } of boxes) {
      if (spaces.length > 1) box.append(make("p", {}, space));
      const place = make("div");
      box.append(place);
      if (!rows.length) { place.append(make("p", { class: "hint" }, `No network of ${space} has both values.`)); continue; }
      const view = await plot(place, scatter(rows), `${fields.get(state.y).label} against ${fields.get(state.x).label}, ${rows.length} networks of ${space}; the table below has the same values`);
      if (state.drawn !== drawn) { view.finalize(); return; }
      view.addEventListener("click", (event, item) => { if (item?.datum?.id !== undefined) choose(item.datum.id, true); });
      views.push({ view, space });
    }
    state.views.forEach(({ view }) => view.finalize());
    state.views = views;
    document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn ?? 0) + 1);
  }
  function markChosen() {
    for (const { view } of state.views) view.signal("chosen", state.chosen).runAsync();
  }

  // The table.
  const columns = networks.fields.filter((field) => !(field.key === "front" && field.values.every((value) => value === "")));
  function order(ids) {
    const field = fields.get(state.sort);
    if (!field) return ids;
    const sign = state.down ? -1 : 1;
    const less = (a, b) => {
      const [p, q] = [field.values[a], field.values[b]];
      if (p === q) return a - b;
      if (p === null || p === "") return 1;
      if (q === null || q === "") return -1;
      return sign * (field.text ? String(p).localeCompare(String(q)) : p - q);
    };
    return ids.sort(less);
  }
  function heading(key, title, text) {
    const sorted = state.sort === key ? (state.down ? "descending" : "ascending") : "none";
    return make("th", { scope: "col", "aria-sort": sorted, class: text ? null : "number" },
      make("button", { type: "button", "data-key": key, title: fields.get(key)?.label ?? title, onclick: () => sortBy(key) }, title));
  }
  function sortBy(key) {
    [state.sort, state.down] = [key, state.sort === key ? !state.down : !fields.get(key).text && key !== "rank"];
    tabulate();
    byId("rows").querySelector(`button[data-key="${CSS.escape(key)}"]`)?.focus();
  }
  function row(id) {
    const reference = networks.roles[id] === "reference";
    const name = make("button", { type: "button", class: "pick", title: networks.specs[id] }, networks.labels[id]);
    const dot = runs.length > 1 ? [make("span", { class: "dot", title: runs[networks.runs[id]].name })] : [];
    if (dot.length) dot[0].style.background = runColour(networks.runs[id]);
    const cells = columns.map((field) => make("td", { class: field.text ? null : "number" }, field.shown[id]));
    const line = make("tr", { class: reference ? "reference" : null, "data-id": id, "aria-current": id === state.chosen, onclick: (event) => {
      if (!event.target.closest(".copy")) choose(id, false);
    } }, make("td", {}, ...dot, name), ...cells);
    const buttons = make("td", {}, make("button", { type: "button", class: "copy", "aria-label": `Copy the spec of ${networks.labels[id]}`, onclick: (e) => copyButton(e.target, networks.specs[id], "Spec") }, "spec"));
    if (networks.commands[id]) buttons.append(make("button", { type: "button", class: "copy", "aria-label": `Copy the train command of ${networks.labels[id]}`, onclick: (e) => copyButton(e.target, networks.commands[id], "Train command") }, "train"));
    line.append(buttons);
    return line;
  }
  function tabulate() {
    const ids = order(shownIds());
    byId("rows").tHead.replaceChildren(make("tr", {}, make("th", { scope: "col" }, make("button", { type: "button", disabled: "" }, "network")),
      ...columns.map((field) => heading(field.key, field.title, field.text)), make("th", { scope: "col" }, make("button", { type: "button", disabled: "" }, "copy"))));
    byId("rows").tBodies[0].replaceChildren(...ids.slice(0, state.rows).map(row));
    byId("count").textContent = ids.length === count ? `${count.toLocaleString("en")} networks` : `${ids.length.toLocaleString("en")} of ${count.toLocaleString("en")} networks`;
    byId("more").hidden = ids.length <= state.rows;
    byId("more").textContent = `Show ${Math.min(ROWS, ids.length - state.rows)} more`;
  }

  // The selected network.
  function choose(id, fromPlot) {
    state.chosen = id;
    const sameSpace = [...Array(count).keys()].filter((one) => networks.spaces[one] === networks.spaces[id] && networks.stages_of[one] && one !== id);
    const named = sameSpace.filter((one) => networks.roles[one] === "reference");
    const offered = named.length ? named : sameSpace.slice(0, 20);
    if (!offered.includes(state.beside)) state.beside = offered[offered.length > 1 && named.length ? named.findIndex((one) => /scaled$/.test(networks.labels[one])) : 0] ?? offered[0] ?? -1;
    byId("beside").replaceChildren(...offered.map((one) => option(one, networks.labels[one])));
    byId("beside").value = String(state.beside);
    byId("beside").parentElement.hidden = !offered.length;
    describe();
    markChosen();
    const lines = [...byId("rows").tBodies[0].rows];
    for (const line of lines) line.setAttribute("aria-current", String(Number(line.dataset.id) === id));
    if (fromPlot) {
      const box = byId("rows").parentElement, line = lines.find((one) => Number(one.dataset.id) === id);
      if (line) box.scrollTop = line.offsetTop - box.clientHeight / 2;
    }
  }
  function describe() {
    const id = state.chosen;
    byId("chosen-name").textContent = networks.labels[id];
    byId("chosen-spec").textContent = networks.specs[id];
    byId("copy-command").hidden = !networks.commands[id];
    byId("chosen-facts").replaceChildren(...columns.filter((field) => field.shown[id] && field.shown[id] !== "-").slice(0, 12).map((field) => {
      const beside = state.beside >= 0 && !field.text && field.key !== "rank" ? field.shown[state.beside] : "-";
      const value = make("dd", {}, field.shown[id]);
      if (beside && beside !== "-") value.append(make("small", {}, ` / ${beside}`));
      return make("div", {}, make("dt", { title: field.label }, field.title), value);
    }));
    drawBoth();
    tabulateStages();
  }
  const stagesOf = (id) => (id >= 0 && networks.stages_of[id] ? networks.stages_of[id].map((number) => networks.stages[number]) : null);

  function shadeOf(side, most) {
    const near = colour("shade-near"), far = colour("shade-far");
    const part = most > 1 ? 1 - Math.log2(Math.max(side, 1)) / Math.log2(most) : 1;
    const mix = (at) => Math.round(parseInt(near.slice(at, at + 2), 16) * (1 - part) + parseInt(far.slice(at, at + 2), 16) * part);
    return `rgb(${mix(1)} ${mix(3)} ${mix(5)})`;
  }
  function drawing(stages, most, room) {
    const LEFT = 4, GAP = 10, LEAST = 28, ARCS = 13, HIGH = 84, unit = HIGH / Math.sqrt(most.channels);
    const bars = stages.map((stage) => Math.max(1, stage.blocks.length));
    const wide = Math.max(3, Math.min(17, (room - LEFT - (GAP + LEAST / 3) * stages.length) / bars.reduce((a, b) => a + b, 0)));
    const picture = svg("svg", { class: "drawing", role: "img" });
    let left = LEFT;
    for (const [place, stage] of stages.entries()) {
      const own = wide * bars[place], slot = Math.max(own, LEAST), high = Math.max(3, unit * Math.sqrt(stage.channels));
      const top = ARCS + (HIGH - high) / 2, middle = left + slot / 2, title = svg("title"), group = svg("g", {}, title);
      title.textContent = `${stage.stage}: ${stage.depth ? `${stage.depth} blocks, ` : ""}${stage.channels} wide, ${stage.side} x ${stage.side} pixels`;
      for (let bar = 0; bar < bars[place]; bar += 1) {
        const x = middle - own / 2 + bar * wide, skip = stage.blocks[bar] ?? 0;
        group.append(svg("rect", { x, y: top, width: wide, height: high, rx: 1.5, fill: shadeOf(stage.side, most.side), opacity: stage.blocks.length ? 1 : 0.55 }));
        if (skip) {
          const weight = Math.max(0.7, Math.min(1.7, (1.5 * skip) / stage.channels));
          group.append(svg("path", { class: "arc", "stroke-width": weight, d: `M${x} ${top} C ${x + 1} ${top - 11}, ${x + wide - 1} ${top - 11}, ${x + wide} ${top}` }));
        }
      }
      const words = [[stage.stage.replace(/^(stage|cell)_/, ""), 0, "name"], [stage.depth ? `×${stage.depth}` : "", 13, ""], [String(stage.channels), 26, ""]];
      for (const [word, down, of] of words) {
        const text = svg("text", { x: middle, y: ARCS + HIGH + 14 + down, "text-anchor": "middle", class: of });
        text.textContent = word;
        group.append(text);
      }
      picture.append(group);
      left += slot + GAP;
    }
    picture.setAttribute("viewBox", `0 0 ${Math.max(left, room)} ${ARCS + HIGH + 44}`);
    return picture;
  }
  function drawBoth() {
    const both = [state.chosen, state.beside].map((id) => [id, stagesOf(id)]).filter(([, stages]) => stages);
    const all = both.flatMap(([, stages]) => stages);
    const most = { channels: Math.max(1, ...all.map((one) => one.channels)), side: Math.max(1, ...all.map((one) => one.side)) };
    byId("drawings").replaceChildren(...both.flatMap(([id, stages]) => {
      const picture = drawing(stages, most, Math.max(300, byId("drawings").clientWidth));
      picture.setAttribute("aria-label", `Stages of ${networks.labels[id]}: ${stages.map((one) => `${one.stage} ${one.depth} blocks ${one.channels} wide`).join(", ")}`);
      return [make("p", { class: "drawing-name" }, networks.labels[id]), picture];
    }));
    if (!stagesOf(state.chosen)) byId("drawings").prepend(make("p", { class: "hint" }, "This network is not a chain of stages, or its spec is not valid: there is nothing to draw."));
  }
  function tabulateStages() {
    const chosen = stagesOf(state.chosen), beside = stagesOf(state.beside);
    const table = byId("stages");
    table.parentElement.hidden = !chosen;
    if (!chosen) return;
    const sum = (stages, name) => stages.reduce((total, stage) => total + stage[name], 0);
    const costs = [["nn_mass", "NN-Mass"], ["flops", "FLOPs"], ["params", "params"]];
    const written = (key, value) => (key === "nn_mass" ? String(+value.toFixed(1)) : short(value));
    const cell = (text, under) => make("td", { class: "number" }, text, ...(beside ? [make("small", {}, under ?? "–")] : []));
    const both = (stage, other, write) => cell(write(stage, chosen), other ? write(other, beside) : undefined);
    table.tHead.replaceChildren(make("tr", {}, make("th", { scope: "col" }, "stage"), ...["blocks", "output", ...costs.map(([, title]) => title)].map((title) => make("th", { scope: "col", class: "number" }, title))));
    const names = [...new Set([...chosen, ...(beside ?? [])].map((stage) => stage.stage))].filter((name) => chosen.some((one) => one.stage === name));
    table.tBodies[0].replaceChildren(...names.map((name) => {
      const stage = chosen.find((one) => one.stage === name), other = beside?.find((one) => one.stage === name);
      return make("tr", {}, make("th", { scope: "row" }, name.replace("_", " ")),
        both(stage, other, (one) => String(one.depth || "–")), both(stage, other, (one) => `${one.channels}×${one.side}²`),
        ...costs.map(([key]) => both(stage, other, (one, of) => `${written(key, one[key])} · ${percent(one[key], sum(of, key))}`)));
    }), make("tr", {}, make("th", { scope: "row" }, "all"), cell("", ""), cell("", ""), ...costs.map(([key]) => cell(written(key, sum(chosen, key)), beside && written(key, sum(beside, key))))));
  }

  // Axes and filter.
  function usual() {
    const accuracy = fields.get(state.y);
    if (fields.has("rank") || !accuracy || !/top1/.test(state.y)) return 0;
    return accuracy.values.reduce((best, value, id) => ((value ?? -Infinity) > (accuracy.values[best] ?? -Infinity) ? id : best), 0);
  }
  const numbers = networks.fields.filter((field) => !field.text && field.key !== "rank");
  function explore() {
    if (!count) return;
    const first = runs[networks.runs[0]] ?? {};
    const has = (key, other) => (numbers.some((field) => field.key === key) ? key : numbers.find((field) => field.key !== other)?.key ?? "");
    state.x = has(first.x || "flops", "");
    state.y = has(first.y || "nn_mass", state.x);
    for (const [id, key] of [["axis-x", "x"], ["axis-y", "y"]]) {
      byId(id).replaceChildren(...numbers.map((field) => option(field.key, field.label)));
      byId(id).value = state[key];
      byId(id).addEventListener("change", (event) => { state[key] = event.target.value; plotNetworks(); });
    }
    byId("beside").addEventListener("change", (event) => { state.beside = Number(event.target.value); describe(); });
    byId("copy-spec").addEventListener("click", (event) => copyButton(event.target, networks.specs[state.chosen], "Spec"));
    byId("copy-command").addEventListener("click", (event) => copyButton(event.target, networks.commands[state.chosen], "Train command"));
    byId("more").addEventListener("click", () => { state.rows += ROWS; tabulate(); });
    let waiting;
    byId("filter").addEventListener("input", (event) => {
      state.filter = event.target.value;
      state.rows = ROWS;
      tabulate();
      clearTimeout(waiting);
      waiting = setTimeout(() => state.views.forEach(({ view, space }) => view.data("points", points(space)).runAsync()), 120);
    });
    const legend = [...(fields.has("front") ? ["large points: the exact front"] : fields.has("rank") ? ["large points: the first ten"] : []), ...(networks.roles.includes("reference") ? ["diamonds: references"] : []), ...(runs.length > 1 ? ["colours: the runs above"] : [])];
    byId("legend").textContent = `${[...legend, "point at one for its spec, click to select it"].join("; ").replace(/^./, (first) => first.toUpperCase())}.`;
    tabulate();
    choose(usual(), false);
    plotNetworks();
  }

  // Curves of trainings, and scores against accuracy.
  function plotCurves() {
    const shown = ["top1", "train_loss", "top5"].filter((key) => curves.some((one) => one.columns[key]?.some((value) => typeof value === "number")));
    const select = byId("curve-y");
    select.replaceChildren(...shown.map((key) => option(key, curves[0].titles[key])));
    const draw = () => {
      byId("curve-plots").replaceChildren();
      for (const { run, columns: of, titles } of curves) {
        const several = new Set(of.seed).size > 1;
        const name = (i) => `${String(of.arch?.[i] ?? "").split(":").pop()}${several ? `, seed ${of.seed[i]}` : ""}`;
        const rows = (of.number ?? []).map((number, i) => ({ epoch: number, value: of[select.value]?.[i] ?? null, name: name(i) })).filter((one) => one.value !== null);
        const names = new Set(rows.map((one) => one.name));
        const box = make("div", { class: "plot" });
        byId("curve-plots").append(box);
        if (runs.length > 1) box.append(make("p", {}, runs[run].name));
        const place = make("div");
        box.append(place);
        plot(place, { data: { values: rows }, mark: { type: "line", point: names.size < 12, strokeWidth: 1.8, tooltip: true }, encoding: {
          x: { field: "epoch", type: "quantitative", title: titles.number, axis: { tickMinStep: 1 }, scale: { nice: false } },
          y: quantitative("value", titles[select.value]),
          color: { field: "name", type: "nominal", legend: names.size > 12 ? null : { title: null, columns: 2, orient: "bottom" }, scale: { scheme: "tableau10" } },
          tooltip: [{ field: "name", title: "network" }, { field: "epoch", title: titles.number }, { field: "value", title: titles[select.value], format: ".4~g" }] } },
          `${titles[select.value]} by epoch of ${names.size} trainings`);
      }
    };
    select.addEventListener("change", draw);
    draw();
    redraw.push(draw);
  }
  function plotScores() {
    const known = judged.flatMap((one) => one.scores.map((score) => ({ ...score, of: one })));
    const select = byId("score");
    select.replaceChildren(...known.map((score, i) => option(i, judged.length > 1 ? `${score.title} (${runs[score.of.run].name})` : score.title)));
    byId("score-label").hidden = !judged.some((one) => one.points);
    const caveats = [...new Set(judged.map((one) => one.caveat).filter(Boolean))];
    byId("score-caveat").hidden = !caveats.length;
    byId("score-caveat").textContent = caveats.length ? `No evidence: ${caveats.join("; ")}.` : "";
    const bars = () => {
      const rows = known.filter((one) => one.rho !== null).map((one) => ({ ...one, of: undefined, name: one.title, run: one.of.run,
        tip: `${one.title}\nrho: ${one.rho.toFixed(2)}${one.rho_low === null || one.rho_high === null ? "" : ` [${one.rho_low.toFixed(2)}, ${one.rho_high.toFixed(2)}]`}` }));
      const run = { field: "run", type: "nominal", legend: null, scale: { domain: runs.map((_, i) => i), range: runs.map((_, i) => runColour(i)) } };
      const y = { field: "name", type: "nominal", title: null, sort: { field: "rho", order: "descending" }, axis: { labelLimit: 230 } };
      const x = { type: "quantitative", title: "rank correlation with accuracy, rho (line: 95% interval)" };
      plot(byId("rho-plot"), { height: 60 + 24 * new Set(rows.map((one) => one.name)).size, data: { values: rows }, layer: [
        { mark: { type: "rule", color: colour("line") }, encoding: { x: { datum: 0, ...x } } },
        { mark: { type: "rule", strokeWidth: 2, opacity: 0.6, tooltip: null }, encoding: { y, x: { field: "rho_low", ...x }, x2: { field: "rho_high" }, color: run } },
        { mark: { type: "point", filled: true, size: 80, opacity: 1 }, encoding: { y, x: { field: "rho", ...x }, color: run, tooltip: { field: "tip", type: "nominal" } } },
      ] }, `Rank correlation of ${rows.length} scores with accuracy`);
    };
    const dots = () => {
      const score = known[Number(select.value || 0)];
      byId("score-plot").hidden = !score?.of.points;
      if (!score?.of.points) return;
      const of = score.of.points;
      const rows = of.arch.map((arch, i) => ({ x: of[score.score]?.[i] ?? null, y: of.top1[i], tip: `${String(arch).split(":").pop()}\ntop-1: ${of.top1[i]}` })).filter((one) => one.x !== null && one.y !== null);
      const rho = score.rho === null || score.of.caveat ? "" : `: rho ${score.rho.toFixed(2)}`;
      plot(byId("score-plot"), { title: { text: `${score.title}${rho}`, anchor: "start", fontWeight: "normal", fontSize: 13 }, data: { values: rows }, mark: { type: "point", filled: true, size: 60, opacity: 0.8, color: runColour(score.of.run) },
        encoding: { x: quantitative("x", `${score.logarithmic ? "log " : ""}${score.title}`), y: quantitative("y", "top-1 accuracy, %"), tooltip: { field: "tip", type: "nominal" } } },
        `Accuracy of ${rows.length} networks against ${score.title}${rho}`);
    };
    select.addEventListener("change", dots);
    const draw = () => { bars(); dots(); };
    draw();
    redraw.push(draw);
  }

  const redraw = [];
  const needed = { curves: curves.length > 0, judged: judged.length > 0 };
  for (const element of document.querySelectorAll("[data-needs]")) element.hidden = !needed[element.dataset.needs];
  for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => copyButton(button, button.dataset.copy, "Command"));
  explore();
  if (needed.curves) plotCurves();
  if (needed.judged) plotScores();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (count) { tabulate(); choose(state.chosen, false); plotNetworks(); }
    redraw.forEach((draw) => draw());
  });
})();
