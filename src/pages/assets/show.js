// Builds what is seen out of what was said. Text is put in as text; only Markdown that the server has cleaned is markup.

import { chips, isSatisfied, verdict } from "./answer.js";

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

export const folded = (summary, ...children) => element("details", {}, element("summary", {}, summary), ...children);
const marked = ({ name, mark, word }, more = "") =>
  element("span", { class: `said ${name}` }, element("span", { "aria-hidden": "true" }, mark), `${word}${more}`);

// Only an address that leads somewhere on the web is a link.
function link(label, url) {
  const safe = /^https?:\/\//.test(url ?? "");
  return safe ? element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label) : label;
}

// Where an order's policy is read: this server's page of it at the passage that the card rests on, else the payer's document.
// A card's other links lead elsewhere.
function policyOf(said, cards) {
  const page = (list) => list.flatMap((card) => card.links ?? []).find(({ url }) => url?.startsWith(`${location.origin}/policies/`))?.url;
  const own = cards.filter((card) => card.links?.some(({ url }) => url === said.policy));
  return page(own.length ? own : cards) ?? said.policy;
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
    ["The policy says", isSatisfied(said) && said.reasons.join(" ")],
    ...said.details.map((it) => [it.code, it.when ? `${it.when}: ${shown(it.value)}` : shown(it.value)]),
    ["Questionnaire", said.questionnaires.join(", ")],
    ["Contact", said.contacts.join(", ")],
  ].filter(([, value]) => value);
  const list = element("dl", {}, rows.flatMap(([name, value]) =>
    [element("dt", {}, name), element("dd", {}, /^https:/.test(value) ? link(value, value) : value)]));
  if (said.assertion) list.append(element("dt", {}, "Assertion"), element("dd", {}, copied(said.assertion)));
  return list;
}

// What a clinician can say when the order is signed all the same. `decision` has the reasons to choose from, and `sign`, which
// resolves to what became of it.
function anyway(order, decision) {
  if (!decision) return [];
  const heard = element("p", { role: "status" });
  const name = `why-${order.id}`;
  const reasons = decision.reasons.map((reason, index) =>
    element("label", {}, element("input", { type: "radio", name, value: index, required: true }), ` ${reason.display}`));
  const submit = async (event) => {
    event.preventDefault();
    const chosen = new FormData(event.target);
    const reason = decision.reasons[chosen.get(name)];
    form.querySelector("button").disabled = true;
    heard.textContent = "Signed. Telling the payer why …";
    heard.textContent = await decision.sign(reason, chosen.get("comment"));
  };
  const form = element("form", { class: "anyway", on: { submit } },
    element("fieldset", {}, element("legend", {}, "Why is it signed all the same?"), reasons,
      element("label", {}, "Comment, if there is more to say", element("textarea", { name: "comment", rows: 2, maxlength: 500 }))),
    element("p", {}, element("button", { type: "submit" }, "Sign with this reason")), heard);
  return [folded("Sign anyway", form)];
}

// Why, in sentences. Where authorization stands, the policy's reason would ask for what its request must show.
function reasons(said) {
  if (isSatisfied(said)) return [`Authorization ${said.satisfied ?? ""} stands, so that no request for it is needed.`.replace("  ", " ")];
  return said.reasons.length ? said.reasons : ["No reason was given."];
}

// The annotation of one order, inside its row: what the payer says of a coverage, why, and at most three things to do.
export function annotation(order, said, cards, who, decision) {
  const first = verdict(said);
  const policy = policyOf(said, cards);
  const related = cards.flatMap((card) => card.links ?? []).filter(({ url }) => url !== policy);
  const [reason, ...others] = reasons(said);
  const coverage = who.coverages.get(said.coverage) ?? said.coverage ?? "no coverage named";
  return element("div", { class: `annotation ${first.name}` },
    element("p", { class: "headline" }, marked(first, ` – ${who.insurer}`)),
    element("p", { class: "reason" }, reason,
      element("small", {}, ` ${[order.text, coverage, said.checked && `checked ${date(said.checked)}`].filter(Boolean).join(" · ")}`)),
    others.map((it) => element("p", { class: "reason" }, it)),
    chips(said).length ? element("ul", { class: "chips", "aria-label": "At a glance" }, chips(said).map((chip) => element("li", {}, chip))) : "",
    element("div", { class: "actions" },
      policy && element("p", {}, link("Read the policy", policy)),
      related.length ? folded(`Related (${related.length})`, element("ul", {}, related.map((it) => element("li", {}, link(it.label, it.url))))) : "",
      anyway(order, decision)),
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

// How orders were decided, as the ledger has it.
export function trace(orders) {
  const list = (title, items) => (items?.length ? [element("dt", {}, title), ...items.map((it) => element("dd", {}, it))] : []);
  return orders.map((of) => element("section", { "aria-label": of.order },
    element("h3", {}, of.order),
    of.determinations.map((it) => element("dl", {},
      list("Billing code", it.billingCode ? [it.billingCode] : []),
      list("Covered", [it.covered]), list("Authorization", it.paNeeded ? [it.paNeeded] : []), list("To be told", it.needed),
      list("Because", it.reasons), list("Facts used", it.known), list("Facts missing", it.missing),
      list("Rules", it.rules.map((rule) => `${rule.policy === "default" ? "The payer’s default rule" : `Policy ${rule.policy}, version ${rule.version}`}: ${rule.action}`)),
      list("Passages", it.rules.flatMap((rule) => rule.passages ?? [])), list("Shown", it.shown)))));
}
