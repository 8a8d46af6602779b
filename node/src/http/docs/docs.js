// Shows /openapi.json, and tries out what changes nothing. Loads nothing else.
"use strict";

const element = (tag, props = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
};

const resolve = (doc, schema) => {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.slice(2).split("/").reduce((at, key) => at[key], doc);
};

// An example of a schema, deep enough to be read.
const example = (doc, raw, depth = 0) => {
  const schema = resolve(doc, raw);
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined && depth > 0) return schema.default;
  if (schema.enum) return schema.enum.join(" | ");
  const options = schema.oneOf || schema.anyOf;
  if (options) return example(doc, options.find((one) => one.type !== "null") || options[0], depth);
  if (schema.allOf) {
    const parts = schema.allOf.map((part) => example(doc, part, depth));
    return parts.every((part) => part && typeof part === "object") ? Object.assign({}, ...parts) : parts[0];
  }
  if (depth > 5) return "…";
  if (schema.properties) {
    const entries = Object.entries(schema.properties);
    return Object.fromEntries(entries.map(([key, value]) => [key, example(doc, value, depth + 1)]));
  }
  const type = [].concat(schema.type || "any").find((one) => one !== "null");
  if (type === "array") return schema.items ? [example(doc, schema.items, depth + 1)] : [];
  return { string: "text", integer: 0, number: 0.5, boolean: true, object: {} }[type] ?? null;
};

const shown = (doc, schema) =>
  element("pre", { textContent: JSON.stringify(example(doc, schema), null, 2) });

const jsonOf = (holder) => {
  const content = holder && holder.content;
  return content && Object.values(content)[0] && Object.values(content)[0].schema;
};

const tryOut = (path, operation) => {
  const fields = (operation.parameters || []).map((parameter) => {
    const input = element("input", { name: parameter.name, required: parameter.required === true });
    return { parameter, input };
  });
  const output = element("pre", { hidden: true });
  const form = element(
    "form",
    {},
    ...fields.map(({ parameter, input }) => element("label", {}, `${parameter.name} `, input)),
    element("button", { textContent: "Try it" }),
    output,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let url = path;
    const query = new URLSearchParams();
    for (const { parameter, input } of fields) {
      if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value) query.set(parameter.name, input.value);
    }
    if ([...query].length) url += `?${query}`;
    const token = document.getElementById("token").value;
    output.hidden = false;
    output.textContent = "Asking…";
    try {
      const answer = await fetch(url, { headers: token ? { authorization: `Bearer ${token}` } : {} });
      const text = await answer.text();
      let body = text;
      try { body = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it is text */ }
      output.textContent = `${answer.status} ${answer.statusText}\n\n${body}`;
    } catch (error) {
      output.textContent = `The node did not answer: ${error.message}`;
    }
  });
  return form;
};

const operationOf = (doc, path, method, operation) => {
  const about = element("details", { className: method });
  about.append(
    element("summary", {}, element("b", { textContent: method }), path,
      element("span", { textContent: operation.summary || "" })),
    element("p", { textContent: operation.description || operation.summary || "" }),
  );
  for (const parameter of operation.parameters || []) {
    about.append(element("p", {}, element("code", { textContent: parameter.name }),
      ` (${parameter.in}${parameter.required ? "" : ", optional"}) ${parameter.description || ""}`));
  }
  const body = jsonOf(operation.requestBody);
  if (body) about.append(element("p", { textContent: "Body" }), shown(doc, body));
  for (const [status, answer] of Object.entries(operation.responses || {})) {
    about.append(element("p", { textContent: `${status} ${answer.description || ""}` }));
    const schema = jsonOf(answer);
    if (schema) about.append(shown(doc, schema));
  }
  if (method === "get") about.append(tryOut(path, operation));
  return about;
};

fetch("/openapi.json").then((answer) => answer.json()).then((doc) => {
  document.getElementById("about").textContent = doc.info.description || "";
  const groups = new Map();
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const tag = (operation.tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operationOf(doc, path, method, operation));
    }
  }
  const main = document.getElementById("main");
  main.textContent = "";
  for (const [tag, operations] of groups) main.append(element("h2", { textContent: tag }), ...operations);
  // Where the `docs` of a refusal leads.
  main.append(element("h2", { textContent: "codes" }));
  for (const { code, status, title } of doc["x-codes"] || []) {
    main.append(element("p", { id: code }, element("code", { textContent: code }), ` (${status}) ${title}`));
  }
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}).catch((error) => {
  document.getElementById("main").textContent = `openapi.json could not be loaded: ${error.message}`;
});
