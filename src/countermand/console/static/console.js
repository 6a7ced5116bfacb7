// What pages do beyond HTML: keys, clocks that count, dialogs, and parts that renew themselves. Every page works without.
"use strict";
(() => {
  const main = document.getElementById("main");
  if (!main) return;
  const say = (text) => {
    const status = document.getElementById("live");
    if (status) status.textContent = text;
  };
  const types = (element) => element.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  const make = (name, text, className = "") => {
    const made = document.createElement(name);
    made.textContent = text;
    made.className = className;
    return made;
  };

  // Keys. None decides: `a` and `d` open what asks once more.
  const rows = () => [...document.querySelectorAll("[data-rows] tbody tr")];
  const here = () => document.querySelector("tr.here");
  const move = (by) => {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(here());
    const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : all.length - 1) : at + by))];
    here()?.classList.remove("here");
    next.classList.add("here");
    (next.querySelector("a.what") ?? next.querySelector("a, button, input"))?.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  };
  let before = "";
  const keys = {
    "/": () => document.getElementById("q")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    x: () => here()?.querySelector("input[type=checkbox]")?.click(),
    a: () => document.querySelector('[data-key="a"]')?.click(),
    d: () => document.querySelector('[data-key="d"]')?.click(),
    Enter: (event) => {
      if (event.target === document.body || event.target === main) here()?.querySelector("a")?.click();
      else return false;
    },
    "?": () => location.assign("/console/account#keys"),
  };
  document.addEventListener("keydown", (event) => {
    if (!document.body.hasAttribute("data-keys") || document.querySelector("dialog[open]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && types(event.target)) return event.target.blur();
    if (types(event.target)) return;
    const together = before + event.key;
    before = event.key === "g" ? "g" : "";
    if (together === "gt") return location.assign("/console/");
    if (together === "gc") return location.assign("/console/cancellations");
    const act = keys[event.key];
    if (act && act(event) !== false) event.preventDefault();
  });

  // Ticks: one for all, and how many there are.
  const ticks = () => [...document.querySelectorAll("tbody .tick input")];
  const counted = document.querySelector("[data-ticked]");
  const count = () => {
    const ticked = ticks().filter((each) => each.checked).length;
    if (counted) counted.textContent = ticked ? `With the ${ticked} ticked:` : counted.dataset.ticked;
  };
  document.querySelectorAll("thead .tick").forEach((head) => {
    const all = Object.assign(document.createElement("input"), { type: "checkbox" });
    all.setAttribute("aria-label", "Tick all on this page");
    all.addEventListener("change", () => {
      ticks().forEach((each) => (each.checked = all.checked && !each.disabled));
      count();
    });
    const label = document.createElement("label");
    label.append(all);
    head.append(label);
  });
  document.addEventListener("change", (event) => event.target.matches("tbody .tick input") && count());

  // Clocks. They count by the time of the server, in the words of `documents/sentences.py`.
  const ahead = Date.parse(main.dataset.now) - Date.now();
  const now = () => Date.now() + ahead;
  const SOON_MS = 2 * 3600e3;
  const SECONDS_MS = 120e3;
  const span = (length) => {
    const minutes = Math.floor(Math.abs(length) / 60e3);
    const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60];
    if (days) return `${days} day${days === 1 ? "" : "s"}${hours ? ` ${hours} h` : ""}`;
    if (hours) return `${hours} h${rest ? ` ${rest} min` : ""}`;
    return rest ? `${rest} min` : "less than a minute";
  };
  const inSeconds = (length) => {
    const all = Math.ceil(length / 1000);
    return `${all >= 60 ? `${Math.floor(all / 60)} min ` : ""}${all % 60} s`;
  };
  const tick = (root) => {
    let hurries = false;
    for (const clock of root.querySelectorAll("[data-clock]")) {
      const left = Date.parse(clock.dataset.due) - now();
      const near = left > 0 && left < SECONDS_MS;
      hurries ||= near;
      const text = near ? `${inSeconds(left)} left` : `${span(left)} ${left > 0 ? "left" : "late"}`;
      if (clock.textContent !== text) clock.textContent = text;
      clock.classList.toggle("is-late", left <= 0);
      clock.classList.toggle("is-soon", left > 0 && left < SOON_MS);
    }
    for (const line of root.querySelectorAll(".line[data-due]")) {
      const [start, due] = [Date.parse(line.dataset.start), Date.parse(line.dataset.due)];
      const gone = Math.min(100, Math.max(0, Math.round((100 * (now() - start)) / Math.max(due - start, 1000))));
      line.querySelector(".gone").setAttribute("width", gone);
      line.querySelector(".now")?.setAttribute("x", Math.max(gone - 0.3, 0));
      line.classList.toggle("late", due <= now());
      line.classList.toggle("soon", due > now() && due - now() < SOON_MS);
    }
    return hurries;
  };
  const count_down = () => setTimeout(count_down, tick(document) ? 1000 : 15e3);
  if (document.querySelector("[data-clock], .line[data-due]")) count_down();

  // A form is sent once, however often its button is pressed. Its key makes sure of it where this does not run.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "yes";
    event.submitter?.setAttribute("aria-busy", "true");
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
    for (const button of document.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
  });

  // Dialogs: the page that asks once more, on top of this one. Its form leads on as the page itself does.
  const fetched = async (address) => {
    const reply = await fetch(address, { headers: { accept: "text/html" }, redirect: "manual" });
    const page = reply.type === "opaqueredirect" ? null : new DOMParser().parseFromString(await reply.text(), "text/html");
    return { status: reply.status, isLogin: reply.type === "opaqueredirect", page };
  };
  const REFERS = ["for", "aria-describedby", "aria-labelledby"];
  const renamed = (sheet) => {
    const ids = new Set([...sheet.querySelectorAll("[id]")].map((each) => each.id));
    const name = (id) => (ids.has(id) ? `sheet-${id}` : id);
    for (const each of sheet.querySelectorAll("*")) {
      if (each.id) each.id = name(each.id);
      for (const refers of REFERS) {
        if (each.hasAttribute(refers)) each.setAttribute(refers, each.getAttribute(refers).split(" ").map(name).join(" "));
      }
    }
    return sheet;
  };
  const isTyped = (dialog) =>
    [...dialog.querySelectorAll("textarea, input:not([type=hidden])")].some((each) =>
      "checked" in each && /checkbox|radio/.test(each.type) ? each.checked !== each.defaultChecked : each.value !== each.defaultValue,
    );
  let asking = false;
  const show = async (link) => {
    const kept = [...document.querySelectorAll("dialog.sheet")].find((each) => each.dataset.from === link.href);
    if (kept) return kept.showModal();
    if (asking) return;
    asking = true;
    let sheet;
    try {
      const { status, page } = await fetched(link.href);
      sheet = status === 200 && page?.querySelector(".sheet");
    } catch {
      sheet = null;
    }
    asking = false;
    if (!sheet) return location.assign(link.href);
    const dialog = document.createElement("dialog");
    dialog.className = "sheet";
    dialog.dataset.from = link.href;
    const title = make("h2", sheet.querySelector("h1").textContent);
    title.id = "title";
    sheet.querySelector("h1").replaceWith(title);
    dialog.append(...renamed(sheet).childNodes);
    dialog.setAttribute("aria-labelledby", "sheet-title");
    for (const form of dialog.querySelectorAll("form:not([action])")) form.action = link.href;
    dialog.addEventListener("click", (event) => {
      if (!event.target.closest("[data-back]")) return;
      event.preventDefault();
      dialog.close();
    });
    // What was typed stays for the next time. The event comes late: the dialog may have been opened again.
    dialog.addEventListener("close", () => dialog.open || isTyped(dialog) || dialog.remove());
    main.append(dialog);
    dialog.showModal();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-ask]");
    if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || !("showModal" in HTMLDialogElement.prototype)) return;
    event.preventDefault();
    show(link);
  });

  // Parts that renew themselves: the same page is asked for again, and what has changed is put in its place.
  const isBusy = (part) => part.contains(document.activeElement) && types(document.activeElement);
  const ended = (part, page, said) => {
    // What could be done stays to be seen, with the reason why it cannot be done any more.
    const links = part.querySelectorAll("a.btn");
    if (!said || !links.length || page.querySelector("#do a.btn")) return false;
    for (const link of links) {
      const button = make("button", link.firstElementChild?.textContent ?? link.textContent, "btn");
      button.type = "button";
      button.disabled = true;
      button.setAttribute("aria-describedby", link.getAttribute("aria-describedby") ?? "");
      link.replaceWith(button);
      const why = document.getElementById(button.getAttribute("aria-describedby"));
      if (why) why.textContent = said;
    }
    return true;
  };
  const renew = (part, page, said) => {
    const fresh = page.getElementById(part.id);
    if (!fresh || part.innerHTML === fresh.innerHTML || isBusy(part)) return false;
    if (part.id === "do" && (part.dataset.ended || ended(part, page, said))) return !(part.dataset.ended = "yes");
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.replaceWith(fresh);
    if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    return true;
  };
  const left = (row) => {
    row.classList.add("gone");
    for (const box of row.querySelectorAll(".tick input")) [box.checked, box.disabled] = [false, true];
    if (!row.querySelector(".left-list")) row.querySelector(".first")?.append(make("small", "no longer in this list", "left-list"));
  };
  const renewList = (table, fresh) => {
    const shown = new Map([...table.querySelectorAll("tbody tr[id]")].map((row) => [row.id, row]));
    const still = new Set();
    let added = 0;
    for (const row of fresh?.querySelectorAll("tbody tr[id]") ?? []) {
      const old = shown.get(row.id);
      still.add(row.id);
      if (!old) added += 1;
      else if (old.querySelector("input:checked")) continue;
      else if (old.innerHTML !== row.innerHTML && !old.contains(document.activeElement)) old.innerHTML = row.innerHTML;
    }
    // A full page may have pushed a row to the next one.
    if (shown.size < 50) for (const [id, row] of shown) if (!still.has(id)) left(row);
    count();
    // No row moves under the pointer: what is new waits until somebody wants to see it.
    let link = document.getElementById("new-rows");
    if (!added) return link?.remove();
    if (!link) {
      link = make("a", "", "btn quiet");
      link.id = "new-rows";
      link.href = location.href;
      table.before(link);
    }
    link.textContent = `${added} new, show ${added === 1 ? "it" : "them"}`;
    say(link.textContent);
  };
  const notice = (title, text, link = "") => {
    if (document.getElementById("now-note")) return;
    const [box, line] = [make("div", "", "note warn top-note"), document.createElement("p")];
    box.id = "now-note";
    box.setAttribute("role", "alert");
    const shape = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    shape.setAttribute("class", "shape");
    shape.setAttribute("aria-hidden", "true");
    shape.append(document.createElementNS("http://www.w3.org/2000/svg", "use"));
    shape.firstChild.setAttribute("href", "#s-escalated");
    line.append(make("strong", title), ` ${text} `);
    if (link) line.append(Object.assign(make("a", "Log in"), { href: link, target: "_blank" }));
    box.append(shape, line);
    (document.querySelector("dialog[open]") ?? main).prepend(box);
  };
  const loggedOut = () =>
    notice("You were logged out.", "What you typed is still here. Log in, then send it.", "/console/login");
  const tooLate = (page, root) => {
    const told = page.querySelector(".top-note");
    if (!told) return;
    notice(told.querySelector("strong")?.textContent ?? "", told.textContent.replace(told.querySelector("strong")?.textContent ?? "", "").trim());
    for (const button of root.querySelectorAll("form .btn.primary")) button.disabled = true;
  };
  const renewDialog = async () => {
    const dialog = document.querySelector("dialog.sheet[open]");
    if (!dialog) return;
    const { status, page } = await fetched(dialog.dataset.from);
    if (status === 409 && page) tooLate(page, dialog);
  };
  const renews = () => document.querySelector("[data-live], [data-rows]") || document.querySelector(".sheet form");
  const refresh = async () => {
    if (document.hidden || !renews()) return;
    let found;
    try {
      await renewDialog();
      found = await fetched(location.href);
    } catch {
      return;
    }
    if (found.isLogin) return loggedOut();
    const { status, page } = found;
    if (status === 409) return tooLate(page, main);
    if (status !== 200) return;
    tick(page);
    tick(document);
    const said = page.querySelector("[data-said]")?.dataset.said;
    const changed = [...document.querySelectorAll("[data-live], [data-counts]")].filter((part) => renew(part, page, said));
    if (changed.some((part) => part.id === "head")) say("This has changed. The page shows how it stands now.");
    const table = document.querySelector("[data-rows]:not([data-live])");
    if (table) renewList(table, page.querySelector("[data-rows]:not([data-live])"));
    const foot = page.querySelector(".foot time");
    if (foot) document.querySelector(".foot time")?.replaceWith(foot);
  };

  // When: as soon as the service says that something here has changed, or now and then where it cannot say so.
  const POLL_MS = 15e3;
  const RARELY = 4;
  const about = (main.dataset.about ?? "").split(" ").filter(Boolean);
  let cursor = main.dataset.cursor ?? "";
  let source = null;
  let waiting = 0;
  const soon = () => {
    // Not all pages at the same moment.
    clearTimeout(waiting);
    waiting = setTimeout(refresh, 100 + 400 * Math.random());
  };
  const close = () => {
    source?.close();
    source = null;
  };
  const listen = () => {
    if (source || document.hidden || !about.length || !("EventSource" in window)) return;
    const query = new URLSearchParams(about.map((each) => ["about", each]));
    if (cursor) query.set("after", cursor);
    source = new EventSource(`/console/live?${query}`);
    source.addEventListener("changed", (event) => {
      cursor = event.lastEventId;
      soon();
    });
    source.addEventListener("ended", () => {
      close();
      loggedOut();
    });
    source.addEventListener("crowded", close);
    source.addEventListener("error", () => source?.readyState === EventSource.CLOSED && close());
  };
  const isStill = location.search.includes("after=") && document.querySelector("[data-rows]");
  if (renews() && !isStill) {
    let rounds = 0;
    setInterval(() => {
      if (document.hidden) return;
      rounds += 1;
      if (!source || rounds % RARELY === 0) refresh();
      if (rounds % RARELY === 0) listen();
    }, POLL_MS);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return close();
      if (!about.length) refresh();
      listen();
    });
    addEventListener("pagehide", close);
    addEventListener("pageshow", (event) => event.persisted && listen());
    listen();
  }
})();
