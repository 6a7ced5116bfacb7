// What pages do beyond HTML: keys, clocks that count, and parts that renew themselves. Every page works without it.
"use strict";
(() => {
  const main = document.getElementById("main");
  const say = (text) => {
    const status = document.getElementById("live");
    if (status) status.textContent = text;
  };

  // Keys. None decides: `a` and `d` follow the link to the page that asks once more.
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
  const types = (element) => element.closest("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
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
    if (!document.body.hasAttribute("data-keys")) return;
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

  // Parts that renew themselves: the same page is asked for again, and what has changed is put in its place.
  const LIVE_MS = 15000;
  const isBusy = (part) => part.contains(document.activeElement) && types(document.activeElement);
  const renew = (part, fresh) => {
    if (!fresh || part.innerHTML === fresh.innerHTML || isBusy(part)) return false;
    const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.replaceWith(fresh);
    if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    return true;
  };
  const renewList = (table, fresh) => {
    const shown = new Map([...table.querySelectorAll("tbody tr[id]")].map((row) => [row.id, row]));
    let added = 0;
    for (const row of fresh.querySelectorAll("tbody tr[id]")) {
      const old = shown.get(row.id);
      if (!old) added += 1;
      else if (old.querySelector("input:checked")) continue;
      else if (old.innerHTML !== row.innerHTML && !old.contains(document.activeElement)) old.innerHTML = row.innerHTML;
    }
    // No row moves under the pointer: what is new waits until somebody wants to see it.
    let link = document.getElementById("new-rows");
    if (!added) return link?.remove();
    if (!link) {
      link = document.createElement("a");
      link.id = "new-rows";
      link.href = location.href;
      link.className = "btn quiet";
      table.before(link);
    }
    link.textContent = `${added} new, show ${added === 1 ? "it" : "them"}`;
    say(link.textContent);
  };
  const refresh = async () => {
    if (document.hidden || !document.querySelector("[data-live], [data-rows]")) return;
    let text;
    try {
      const reply = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" });
      if (!reply.ok) return;
      text = await reply.text();
    } catch {
      return;
    }
    const page = new DOMParser().parseFromString(text, "text/html");
    const changed = [...document.querySelectorAll("[data-live]")].filter((part) => renew(part, page.getElementById(part.id)));
    if (changed.some((part) => part.id === "head")) say("This has changed. The page shows how it stands now.");
    for (const table of document.querySelectorAll("[data-rows]:not([data-live])")) {
      const fresh = page.querySelector("[data-rows]:not([data-live])");
      if (fresh) renewList(table, fresh);
    }
    const foot = page.querySelector(".foot time");
    if (foot) document.querySelector(".foot time")?.replaceWith(foot);
  };
  if (document.querySelector("[data-live], [data-rows]") && !location.search.includes("after=")) {
    setInterval(refresh, LIVE_MS);
    document.addEventListener("visibilitychange", refresh);
  }
})();
