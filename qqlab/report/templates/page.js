// The report's page: theme, search, filters, and the explorer of exchanges. Law: all text is set as text, never as
// markup; nothing is asked for; the page says all but single exchanges without this script.
(function () {
  "use strict";
  const root = document.documentElement;
  const THEMES = ["system", "light", "dark"];
  const stored = name => { try { return localStorage.getItem(name); } catch { return null; } };
  const store = (name, value) => { try { localStorage.setItem(name, value); } catch { /* a page from disk may not */ } };
  const setTheme = theme => {
    if (theme === "system") delete root.dataset.theme; else root.dataset.theme = theme;
  };
  let theme = THEMES.includes(stored("qqlab-theme")) ? stored("qqlab-theme") : "system";
  setTheme(theme);
  root.classList.add("scripted");

  const find = id => document.getElementById(id);
  const all = (selector, under) => Array.from((under || document).querySelectorAll(selector));
  const make = (name, attributes, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key === "class") element.className = value; else element.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children) if (child !== null && child !== undefined && child !== "") element.append(child);
    return element;
  };
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const number = value => value.toLocaleString("en-US");
  const decoded = text => { try { return decodeURIComponent(text); } catch { return text; } };

  function start() {
    const data = JSON.parse(find("data").textContent);
    const words = data.words;
    themes(words);
    const filter = filters(words);
    const explorer = explore(data, words);
    searching(words, explorer, filter);
    tips();
    const go = () => {
      const name = decoded(location.hash.slice(1));
      if (name.startsWith("?")) filter.restore(new URLSearchParams(name.slice(1)));
      else if (name.startsWith("exchange-")) explorer.open(name);
      else reveal(name, filter);
    };
    addEventListener("hashchange", go);
    if (location.hash) go();
  }

  // ------------------------------------------------------------------------------------------------------- theme

  function themes(words) {
    const button = find("theme");
    const say = () => {
      button.textContent = words.themes[theme];
      button.title = words.theme;
    };
    button.addEventListener("click", () => {
      theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
      setTheme(theme);
      store("qqlab-theme", theme);
      say();
    });
    say();
  }

  // ------------------------------------------------------------------------------------------------ links inside

  /** Open what encloses the target of a link, and take off the filter that hides it. */
  function reveal(name, filter) {
    const target = name && find(name);
    if (!target) return;
    if (target.closest(".sifted")) filter.clear();
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
  }

  // ----------------------------------------------------------------------------------------------------- filters

  /** Rows of fields and codes by verdict and by words. */
  function filters(words) {
    const box = find("sift");
    const buttons = all("#verdicts button");
    const told = find("sifted");
    const rows = all("tr[data-verdict]");
    const texts = new Map(rows.map(row => [row, `${row.dataset.of || ""} ${row.textContent}`.toLowerCase()]));
    const groups = all("[data-group]");
    const tables = all(".sieve");

    function apply() {
      const terms = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = buttons.filter(one => one.getAttribute("aria-pressed") === "true").map(one => one.value);
      const isOn = terms.length > 0 || wanted.length > 0;
      let shown = 0;
      for (const row of rows) {
        const text = texts.get(row);
        const stays = (!wanted.length || wanted.includes(row.dataset.verdict)) && terms.every(term => text.includes(term));
        row.classList.toggle("sifted", !stays);
        shown += stays;
      }
      const left = element => element.querySelector("tr[data-verdict]:not(.sifted)") !== null;
      for (const table of tables) {
        const stays = !isOn || left(table);
        table.classList.toggle("sifted", !stays);
        if (isOn && stays && table.tagName === "DETAILS") table.open = true;
      }
      for (const group of groups) {
        const named = isOn && !wanted.length && terms.every(term => group.dataset.group.toLowerCase().includes(term));
        const stays = !isOn || left(group) || named;
        group.classList.toggle("sifted", !stays);
        group.classList.toggle("narrowed", isOn && !named);
      }
      told.textContent = isOn ? fill(words.sifted, {shown: number(shown), whole: number(rows.length)}) : "";
      find("unsift").hidden = !isOn;
      return {isOn, terms, wanted};
    }
    function changed() {
      const {isOn, wanted} = apply();
      const query = new URLSearchParams();
      if (box.value.trim()) query.set("find", box.value.trim());
      if (wanted.length) query.set("verdict", wanted.join(","));
      history.replaceState(null, "", isOn ? `#?${query}` : "#commands");
    }
    function clear() {
      box.value = "";
      for (const button of buttons) button.setAttribute("aria-pressed", "false");
      apply();
    }
    function restore(query) {
      box.value = query.get("find") || "";
      const wanted = (query.get("verdict") || "").split(",");
      for (const button of buttons) button.setAttribute("aria-pressed", String(wanted.includes(button.value)));
      apply();
      find("commands").scrollIntoView();
    }
    box.addEventListener("input", changed);
    for (const button of buttons) {
      button.addEventListener("click", () => {
        button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
        changed();
      });
    }
    find("unsift").addEventListener("click", () => { clear(); history.replaceState(null, "", "#commands"); box.focus(); });
    return {clear, restore};
  }

  // ------------------------------------------------------------------------------------------------------ search

  /** One box for all: commands, fields, codes and exchanges, each a link that leads there. */
  function searching(words, explorer, filter) {
    const box = find("find");
    const list = find("hits");
    const MOST = {command: 6, field: 12, code: 8, exchange: 8};
    const head = row => row.querySelector("th > a").textContent;
    const entries = [
      ...all("[data-group][id^=command-]").map(one => ["command", one.querySelector("h3 > a").textContent, doc(one), one.id]),
      ...all("tr[data-verdict][id^=field-]").map(row => ["field", head(row), `${row.dataset.of} ${doc(row)}`, row.id]),
      ...all("tr[data-verdict][id^=code-]").map(row => ["code", `${row.dataset.of} ${head(row)}`, doc(row), row.id]),
    ].map(([kind, name, about, id]) => ({kind, name, about, id, text: `${name} ${about}`.toLowerCase()}));
    let hits = [];
    let at = -1;

    const rank = (entry, query, terms) => {
      const name = entry.name.toLowerCase();
      return name === query ? 0 : name.startsWith(query) ? 1 : terms.every(term => name.includes(term)) ? 2
        : terms.includes(name) ? 3 : terms.some(term => name.startsWith(term)) ? 4 : 5;
    };
    function look() {
      const terms = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      hits = [];
      const shown = {};
      if (terms.length) {
        const pool = [...entries, ...explorer.entries()].filter(one => terms.every(term => one.text.includes(term)));
        pool.forEach(one => { one.rank = rank(one, terms.join(" "), terms); });
        pool.sort((one, other) => one.rank - other.rank);
        for (const one of pool) {
          shown[one.kind] = (shown[one.kind] || 0) + 1;
          if (shown[one.kind] <= MOST[one.kind]) hits.push(one);
        }
      }
      at = hits.length ? 0 : -1;
      list.replaceChildren(...hits.map((one, place) => {
        const item = make("li", {role: "option", id: `hit-${place}`, "aria-selected": String(place === at)},
          make("span", {class: "hit-kind"}, words.kinds[one.kind]), make("span", {class: "mono hit-name"}, one.name),
          make("span", {class: "hit-about"}, one.about));
        item.addEventListener("mousedown", event => { event.preventDefault(); at = place; choose(); });
        return item;
      }));
      if (terms.length && !hits.length) {
        list.append(make("li", {role: "option", "aria-disabled": "true", "aria-selected": "false"}, words.nothing));
      }
      show(terms.length > 0);
    }
    function show(isOpen) {
      list.hidden = !isOpen;
      box.setAttribute("aria-expanded", String(isOpen));
      mark();
    }
    function mark() {
      all("li", list).forEach((item, place) => item.setAttribute("aria-selected", String(place === at)));
      const current = !list.hidden && find(`hit-${at}`);
      if (current) { box.setAttribute("aria-activedescendant", current.id); current.scrollIntoView({block: "nearest"}); }
      else box.removeAttribute("aria-activedescendant");
    }
    function choose() {
      const hit = hits[at];
      if (!hit) return;
      show(false);
      box.blur();
      if (location.hash === `#${hit.id}`) location.hash = "";
      location.hash = hit.id;
    }
    box.addEventListener("input", look);
    box.addEventListener("focus", () => { if (box.value) look(); });
    box.addEventListener("blur", () => show(false));
    box.addEventListener("keydown", event => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        const step = event.key === "ArrowDown" ? 1 : -1;
        if (hits.length) { at = (at + step + hits.length) % hits.length; mark(); }
      } else if (event.key === "Enter") {
        event.preventDefault();
        choose();
      } else if (event.key === "Escape") {
        if (list.hidden) box.value = "";
        show(false);
      }
    });
    document.addEventListener("keydown", event => {
      const isTyping = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
      if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        box.focus();
        box.select();
      }
    });
  }

  function doc(row) {
    const told = row.querySelector(".doc");
    if (!told) return "";
    const copy = told.cloneNode(true);
    copy.querySelectorAll("br").forEach(end => end.replaceWith(" · "));
    return copy.textContent.replace(/\s+/g, " ").trim();
  }

  // --------------------------------------------------------------------------------------------------------- tips

  /** What the spec says of a field, wherever its name stands: on hover, and on focus. */
  function tips() {
    const tip = find("tip");
    let of = null;
    const hide = () => {
      tip.hidden = true;
      if (of) of.removeAttribute("aria-describedby");
      of = null;
    };
    function show(link) {
      const row = find(decoded(link.getAttribute("href").slice(1)));
      const told = row && doc(row);
      if (!told) return;
      of = link;
      tip.replaceChildren(make("strong", {class: "mono"}, row.dataset.name), " ", told);
      tip.hidden = false;
      const place = link.getBoundingClientRect();
      const own = tip.getBoundingClientRect();
      const under = place.bottom + own.height + 8 < innerHeight;
      tip.style.left = `${Math.max(8, Math.min(place.left, innerWidth - own.width - 8))}px`;
      tip.style.top = `${under ? place.bottom + 6 : place.top - own.height - 6}px`;
      link.setAttribute("aria-describedby", "tip");
    }
    const link = event => event.target.closest ? event.target.closest("a.pair") : null;
    document.addEventListener("mouseover", event => { hide(); if (link(event)) show(link(event)); });
    document.addEventListener("focusin", event => { hide(); if (link(event)) show(link(event)); });
    document.addEventListener("focusout", hide);
    document.addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
    addEventListener("scroll", hide, {passive: true, capture: true});
  }

  // ----------------------------------------------------------------------------------------------------- explorer

  function explore(data, words) {
    const one = data.exploration;
    const section = find("exchanges");
    if (!section || !one) return {entries: () => [], open: () => undefined};
    const list = find("listed");
    const detail = find("exchange");
    const box = find("sought");
    const command = find("of-command");
    const outcome = find("of-outcome");
    const told = find("found");
    const STEP = 100;
    const places = new Map(one.exchanges.map((exchange, at) => [exchange.at, at]));
    const clock = exchange => exchange.time ? exchange.time.replace("T", " ").replace(/(\.\d{3})\d*/, "$1").replace("Z", "") : "";
    const said = message => message ? message[1].map(pair => `${pair[0]}=${pair[1] ?? ""} ${pair[3].map(item => item.join(" ")).join(" ")}`).join("&") : "";
    const texts = one.exchanges.map(exchange => [exchange.id, exchange.command, exchange.account, exchange.session,
      exchange.status, exchange.error, ...(exchange.notes || []).map(note => `${note[0]} ${note[2]}`),
      said(exchange.request), said(exchange.reply)].join(" ").toLowerCase());
    let found = [];
    let shown = STEP;
    let current = -1;

    function sift() {
      const terms = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      found = one.exchanges.map((_, at) => at).filter(at => {
        const exchange = one.exchanges[at];
        return (!command.value || exchange.command === command.value || (command.value === "\u0000" && !exchange.command))
          && (!outcome.value || exchange.outcome === outcome.value || (outcome.value === "odd" && exchange.notes))
          && terms.every(term => texts[at].includes(term));
      });
      shown = STEP;
      draw();
    }
    function draw() {
      list.replaceChildren(...found.slice(0, shown).map(item));
      if (found.length > shown) {
        const more = make("button", {type: "button", class: "more"}, fill(words.more, {count: number(found.length - shown)}));
        more.addEventListener("click", () => {
          const next = shown;
          shown += STEP;
          draw();
          list.children[next].firstElementChild.focus();
        });
        list.append(make("li", {}, more));
      }
      told.textContent = fill(words.found, {found: number(found.length), sampled: number(one.exchanges.length)});
    }
    function item(at) {
      const exchange = one.exchanges[at];
      return make("li", {}, make("a", {href: `#${exchange.at}`, "aria-current": at === current ? "true" : null},
        make("span", {class: "mono id"}, exchange.id),
        make("span", {class: "what"}, exchange.command || words.no_command),
        make("span", {class: `dot ${exchange.outcome}`, "aria-hidden": "true"}),
        make("small", {class: "status"}, exchange.error || exchange.status || words.outcomes[exchange.outcome]),
        make("small", {class: "when"}, clock(exchange).slice(11) || "")));
    }
    function open(name) {
      const at = places.get(name);
      if (at === undefined) { detail.replaceChildren(make("p", {class: "quiet"}, words.not_sampled)); }
      else {
        if (!found.includes(at)) { box.value = command.value = outcome.value = ""; sift(); }
        current = at;
        const place = found.indexOf(at);
        if (place >= shown) { shown = (Math.floor(place / STEP) + 1) * STEP; }
        draw();
        detail.replaceChildren(...view(at));
      }
      section.scrollIntoView();
      const marked = list.querySelector("[aria-current]");
      if (marked) list.scrollTop = marked.offsetTop - list.offsetTop - list.clientHeight / 3;
      const heading = detail.querySelector("h3");
      if (heading) heading.focus({preventScroll: true});
      if (matchMedia("(max-width: 60rem)").matches) detail.scrollIntoView();
    }
    function view(at) {
      const exchange = one.exchanges[at];
      const parts = [make("h3", {tabindex: "-1"},
        make("a", {href: `#${exchange.at}`}, fill(words.exchange, {id: exchange.id})), " ",
        make("span", {class: "mono"}, exchange.command || words.no_command), " ",
        make("span", {class: `badge outcome ${exchange.outcome}`}, words.outcomes[exchange.outcome]))];
      const facts = make("dl", {class: "facts"});
      const fact = (name, value) => { if (value) facts.append(make("dt", {}, name), make("dd", {}, value)); };
      fact(words.time, clock(exchange));
      fact(words.took, exchange.elapsed === undefined ? "" : duration(exchange.elapsed));
      fact(words.session, exchange.session);
      fact(words.account, exchange.account);
      fact(words.transport, exchange.transport);
      fact(words.error, exchange.error);
      parts.push(facts);
      if (exchange.notes) {
        parts.push(make("ul", {class: "noted-list"}, ...exchange.notes.map(note =>
          make("li", {}, make("span", {class: `badge ${note[1]}`}, words.severities[note[1]]), " ", note[2], " ", make("small", {class: "mono"}, note[0])))));
      }
      for (const direction of ["request", "reply"]) {
        parts.push(make("h4", {}, words[direction]));
        const message = exchange[direction];
        if (!message) parts.push(make("p", {class: "quiet"}, words[`no_${direction}`]));
        else parts.push(...messageView(message, exchange, direction));
      }
      const buttons = make("p", {class: "turn"});
      const place = found.indexOf(at);
      for (const [label, next] of [[words.before, place - 1], [words.after, place + 1]]) {
        if (next >= 0 && next < found.length) buttons.append(make("a", {class: "button", href: `#${one.exchanges[found[next]].at}`}, label));
      }
      parts.push(buttons);
      return parts;
    }
    const duration = seconds => seconds < 1 ? `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms` : `${seconds.toFixed(2)} s`;
    function named(pair, ...children) {
      const place = pair[2] >= 0 ? one.places[pair[2]] : null;
      return place === null ? make("span", {class: "pair"}, ...children) : make("a", {class: "pair", href: `#${place}`}, ...children);
    }
    function messageView([head, pairs, more], exchange, direction) {
      const parts = [];
      const raw = make("pre", {class: "raw", tabindex: "0", role: "region", "aria-label": words[`raw_${direction}`]});
      if (one.heads[head]) raw.append(make("span", {class: "head"}, one.heads[head].trimEnd() + "\n\n"));
      pairs.forEach((pair, at) => {
        if (at) raw.append(make("span", {class: "amp"}, "&"), make("wbr"));
        raw.append(named(pair, make("b", {}, pair[0]), pair[1] === null ? "" : `=${pair[1]}`));
      });
      if (more) raw.append(` … ${fill(words.more_fields, {count: number(more)})}`);
      parts.push(raw);
      const tables = (direction === "reply" && one.rows[exchange.command]) || [];
      const columns = new Set();
      const drawn = [];
      for (const names of tables) {
        const there = names.map(name => pairs.find(pair => pair[0].toUpperCase() === name.toUpperCase() && (pair[4] || pair[5]))).filter(Boolean);
        const rows = Math.max(0, ...there.map(pair => pair[3].length));
        if (!rows) continue;
        there.forEach(pair => columns.add(pair));
        const body = make("tbody");
        for (let at = 0; at < rows; at++) {
          body.append(make("tr", {}, ...there.map(pair => make("td", {}, ...(pair[5] ? [pair[1]] : value(pair[3][at] || ["", ""]))))));
        }
        drawn.push(make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": words.rows}, make("table", {class: "rows"},
          make("caption", {}, fill(words.row_count, {count: number(rows)})),
          make("thead", {}, make("tr", {}, ...there.map(pair => make("th", {scope: "col"}, named(pair, pair[0]))))), body)));
      }
      const body = make("tbody");
      for (const pair of pairs) {
        if (columns.has(pair)) continue;
        const items = pair[3].length ? pair[3] : pair[1] === null ? [] : [[pair[1], ""]];
        body.append(make("tr", {}, make("th", {scope: "row"}, named(pair, pair[0])),
          make("td", {}, ...(pair[5] && !pair[4] ? [pair[1] || ""] : items.flatMap((one, at) => [at ? ", " : "", ...value(one)])))));
      }
      if (body.childElementCount) parts.push(make("table", {class: "decoded"},
        make("thead", {}, make("tr", {}, make("th", {scope: "col"}, words.field), make("th", {scope: "col"}, words.value))), body));
      parts.push(...drawn);
      return parts;
    }
    const value = ([text, meaning]) => [make("span", {class: "mono"}, text), meaning ? make("small", {}, ` ${meaning}`) : ""];

    for (const name of [...new Set(one.exchanges.map(exchange => exchange.command))].sort()) {
      command.append(make("option", {value: name || "\u0000"}, name || words.no_command));
    }
    for (const name of Object.keys(words.outcomes)) {
      if (one.exchanges.some(exchange => exchange.outcome === name)) outcome.append(make("option", {value: name}, words.outcomes[name]));
    }
    if (one.exchanges.some(exchange => exchange.notes)) outcome.append(make("option", {value: "odd"}, words.odd));
    box.addEventListener("input", sift);
    command.addEventListener("change", sift);
    outcome.addEventListener("change", sift);
    sift();
    return {
      open,
      entries: () => one.exchanges.map((exchange, at) => ({kind: "exchange", name: exchange.id, id: exchange.at, text: texts[at],
        about: [exchange.command, exchange.account, exchange.status, clock(exchange)].filter(Boolean).join(" · ")})),
    };
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start); else start();
})();
