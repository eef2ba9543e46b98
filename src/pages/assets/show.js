// Builds what is seen out of what was said. Text is put in as text; only Markdown that the server has cleaned is markup.

import { about, chips, verdict } from "./answer.js";

// An element with attributes and children; what is empty is left out.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, heard] of Object.entries(value)) made.addEventListener(event, heard);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== false && child !== ""));
  return made;
}

const folded = (summary, ...children) => element("details", {}, element("summary", {}, summary), ...children);
const marked = ({ name, mark, word }, more = "") =>
  element("span", { class: `said ${name}` }, element("span", { "aria-hidden": "true" }, mark), `${word}${more}`);

// Only an address that leads somewhere on the web is a link.
function link(label, url) {
  const safe = /^https?:\/\//.test(url ?? "");
  return safe ? element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label) : label;
}

// The policy at its passage if the card knows where, else what the card leads to first.
function passage(cards) {
  const links = cards.flatMap((card) => card.links ?? []);
  return links.find(({ url }) => url?.startsWith(`${location.origin}/policies/`)) ?? links[0];
}

function copied(assertion) {
  const done = element("span", { role: "status" });
  const copy = () => navigator.clipboard?.writeText(assertion).then(() => { done.textContent = " copied"; });
  return [element("code", {}, assertion), " ", element("button", { type: "button", class: "plain small", on: { click: copy } }, "Copy"), done];
}

const shown = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
const date = (day) => day && new Date(`${day}T12:00`).toLocaleDateString("en-US", { year: "numeric", month: "short", day: "numeric" });

function facts(said) {
  const rows = [
    ["Checked", date(said.checked)],
    ["Good until", date(said.expires)],
    ["Billing code", said.billing],
    ...said.details.map((it) => [it.code, it.when ? `${it.when}: ${shown(it.value)}` : shown(it.value)]),
    ["Questionnaire", said.questionnaires.join(", ")],
    ["Contact", said.contacts.join(", ")],
  ].filter(([, value]) => value);
  const list = element("dl", {}, rows.flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, /^https:/.test(value) ? link(value, value) : value)]));
  if (said.assertion) list.append(element("dt", {}, "Assertion"), element("dd", {}, copied(said.assertion)));
  return list;
}

// What a clinician can say when the order is signed all the same. `send` tells the payer; nothing waits for it.
function anyway(order, cards, send) {
  const card = cards.find((it) => it.overrideReasons?.length);
  if (!card) return [];
  const heard = element("p", { role: "status" });
  const reasons = card.overrideReasons.map((reason, index) =>
    element("label", {}, element("input", { type: "radio", name: `why-${card.uuid}`, value: index, required: true }), ` ${reason.display}`));
  const submit = async (event) => {
    event.preventDefault();
    const chosen = new FormData(event.target);
    const reason = card.overrideReasons[chosen.get(`why-${card.uuid}`)];
    heard.textContent = "Signed. Telling the payer why …";
    heard.textContent = await send(card, reason, chosen.get("comment"));
    form.querySelector("button").disabled = true;
  };
  const form = element("form", { class: "anyway", on: { submit } },
    element("fieldset", {}, element("legend", {}, "Why is it signed all the same?"), reasons,
      element("label", {}, "Comment, if there is more to say", element("textarea", { name: "comment", rows: 2, maxlength: 500 }))),
    element("p", {}, element("button", { type: "submit" }, "Sign with this reason")), heard);
  return [folded("Sign anyway", form)];
}

// The annotation of one order, inside its row: what the payer says, why, and at most three things to do.
export function annotation(order, said, cards, who, send) {
  const own = cards.filter((card) => about(card).includes(`ServiceRequest/${order.id}`));
  const first = verdict(said);
  const policy = passage(own);
  const related = own.flatMap((card) => card.links ?? []).filter((it) => it !== policy);
  const [reason, ...others] = said.reasons;
  return element("div", { class: `annotation ${first.name}` },
    element("p", { class: "headline" }, marked(first, ` – ${who.insurer}`)),
    element("p", { class: "reason" }, reason ?? "No reason was given.",
      element("small", {}, ` ${[order.text, who.plan, said.checked && `checked ${date(said.checked)}`].filter(Boolean).join(" · ")}`)),
    others.map((it) => element("p", { class: "reason" }, it)),
    chips(said).length ? element("ul", { class: "chips", "aria-label": "At a glance" }, chips(said).map((chip) => element("li", {}, chip))) : "",
    element("div", { class: "actions" },
      policy && element("p", {}, link("Read the policy", policy.url)),
      related.length ? folded(`Related (${related.length})`, element("ul", {}, related.map((it) => element("li", {}, link(it.label, it.url))))) : "",
      anyway(order, own, send)),
    folded("Details", facts(said)));
}

// A card, as the CDS Hooks response has it. `markdown` writes its detail.
export function card(card, markdown) {
  const title = `card-${card.uuid ?? Math.random().toString(36).slice(2)}`;
  const detail = element("div", { class: "detail" });
  if (card.detail) markdown(card.detail).then((html) => { detail.innerHTML = html; }, () => { detail.textContent = card.detail; });
  const kind = card.indicator === "info" ? "Information" : "Warning";
  return element("article", { class: `card ${card.indicator}`, "aria-labelledby": title },
    element("h3", { id: title }, element("span", { class: "kind" }, `${kind}: `), card.summary),
    detail,
    (card.suggestions ?? []).length ? element("ul", { "aria-label": "Suggestions" }, card.suggestions.map((it) => element("li", {}, it.label))) : "",
    element("p", { class: "source muted" }, link(card.source?.label ?? "", card.source?.url), card.source?.topic?.display ? ` · ${card.source.topic.display}` : ""),
    (card.links ?? []).length ? folded(`Links (${card.links.length})`, element("ul", {}, card.links.map((it) => element("li", {}, link(it.label, it.url))))) : "");
}

// The decision as it was traced.
export function trace(explanations) {
  const list = (title, items) => (items?.length ? [element("dt", {}, title), ...items.map((it) => element("dd", {}, it))] : []);
  return explanations.map((of) => element("section", { "aria-label": of.order },
    element("h3", {}, of.order),
    of.determinations.map((it) => element("dl", {},
      list("Billing code", it.billing_code ? [it.billing_code] : []),
      list("Covered", [it.covered]), list("Authorization", it.pa_needed ? [it.pa_needed] : []), list("To be told", it.info_needed),
      list("Because", it.reasons), list("Facts known", it.known), list("Facts missing", it.missing),
      list("Rules", it.rules.map((rule) => `${rule.policy === "default" ? "The payer’s default rule" : `Policy ${rule.policy}, version ${rule.version}`}: ${rule.action}`)),
      list("Passages", it.rules.flatMap((rule) => rule.passages ?? [])), list("Shown", it.shown)))));
}
