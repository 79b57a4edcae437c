import { createHash } from 'node:crypto';
import type { OpenApiDocument, Operation, Parameter } from './openapi.ts';
import type { Schema } from './validation/fields.ts';

/** One HTML page about the whole document, complete in itself, and the policy that keeps it so. */
export function docsPage({ info, paths, components }: OpenApiDocument): { html: string; policy: string } {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) =>
      renderOperation(method, path, operation, components.schemas),
    ),
  );
  const schemas = Object.entries(components.schemas).map(([name, schema]) => renderSchema(name, schema));
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escape(info.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${escape(info.title)} <small>${escape(info.version)}</small></h1>
<p>${rich(info.description)}</p>
<p>Every request carries <code>Authorization: Bearer &lt;key&gt;</code>. The description for programs is <a href="openapi.json">openapi.json</a>.</p></header>
<main><h2>Operations</h2>${operations.join('')}<h2>Schemas</h2>${schemas.join('')}</main>
<script>${SCRIPT}</script>
</body>
</html>
`;
  const policy = `default-src 'none'; style-src '${hash(STYLE)}'; script-src '${hash(SCRIPT)}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  return { html, policy };
}

function renderOperation(
  method: string,
  path: string,
  operation: Operation,
  schemas: Readonly<Record<string, Schema>>,
): string {
  const { summary, description, parameters = [], requestBody, responses } = operation;
  const body = requestBody?.content['application/json'].schema;
  const model = body && schemas[referenced(body)];
  return `<details class="operation" id="${escape(operation.operationId)}">
<summary><b class="${method}">${method.toUpperCase()}</b> <code>${escape(path)}</code> <span>${escape(summary)}</span></summary>
<p>${rich(description)}</p>
${parameters.length > 0 ? `<h3>Parameters</h3>${table(parameters.map(parameterRow))}` : ''}
${model ? `<h3>Body: ${link(referenced(body))}</h3>${propertyTable(model)}` : ''}
<h3>Answers</h3>${table(
    Object.entries(responses).map(([status, response]) => {
      const { description: meaning, content } = response as {
        description: string;
        content: { 'application/json': { schema: Schema } };
      };
      return [`<code>${status}</code>`, typeName(content['application/json'].schema), rich(meaning)];
    }),
  )}
<h3>Try it</h3><div class="curl"><button type="button">Copy</button><pre>${escape(curl(method, path, operation, model))}</pre></div>
</details>`;
}

function renderSchema(name: string, schema: Schema): string {
  return `<details id="schema-${escape(name)}"><summary><code>${escape(name)}</code> <span>${rich(schema.description ?? '')}</span></summary>${
    schema.properties ? propertyTable(schema) : `<p>${typeName(schema)}</p>`
  }</details>`;
}

function propertyTable(schema: Schema): string {
  const required = new Set(schema.required ?? []);
  const properties = Object.entries(schema.properties ?? {});
  return table(
    properties.map(([name, property]) => [
      `<code>${escape(name)}</code>${required.has(name) ? '' : ' <i>optional</i>'}`,
      typeName(property),
      rich(property.description ?? ''),
    ]),
  );
}

function parameterRow({ name, in: place, required, description, schema }: Parameter): string[] {
  return [
    `<code>${escape(name)}</code> <i>${place}${required ? '' : ', optional'}</i>`,
    typeName(schema),
    rich(description),
  ];
}

function table(rows: readonly (readonly string[])[]): string {
  const lines = rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`);
  return `<div class="scroll"><table>${lines.join('')}</table></div>`;
}

/** A type in a few words, with links to the schemas it names. */
function typeName(schema: Schema): string {
  if (schema.$ref) return link(referenced(schema));
  if (schema.anyOf) return schema.anyOf.map(typeName).join(' or ');
  if (schema.enum) return schema.enum.map((word) => `<code>${escape(word)}</code>`).join(' · ');
  if (schema.items) return `list of ${typeName(schema.items)}`;
  const notes = Object.entries(schema)
    .filter(([key]) => ['format', 'minimum', 'maximum', 'maxLength', 'default'].includes(key))
    .map(([key, value]) => (key === 'format' ? String(value) : `${key} ${JSON.stringify(value)}`));
  return escape([schema.type ?? 'any value', ...notes].join(', '));
}

function referenced(schema: Schema): string {
  return (schema.$ref ?? '').split('/').at(-1)!;
}

function link(name: string): string {
  return `<a href="#schema-${escape(name)}">${escape(name)}</a>`;
}

function curl(
  method: string,
  path: string,
  { parameters = [] }: Operation,
  model: Schema | undefined,
): string {
  const target = parameters.reduce(
    (url, { name }) => url.replace(`{${name}}`, `$${name.toUpperCase()}`),
    path,
  );
  const lines = [`curl${method === 'post' ? ' -X POST' : ''} "$OFFPEAK_URL${target}"`];
  lines.push(`-H "Authorization: Bearer $OFFPEAK_KEY"`);
  if (model) lines.push(`-H 'Content-Type: application/json'`, `-d '${JSON.stringify(example(model))}'`);
  return lines.join(' \\\n  ');
}

/** The required fields with something in them, or the first optional one. */
function example(model: Schema): object {
  const samples: Record<string, unknown> = {
    job_type: 'sentiment_analysis',
    payload: { headlines: ['Rates stay where they are'] },
    batch_id: 'msgbatch_…',
    max_jobs: 100,
  };
  const names = Object.keys(model.properties ?? {}).filter((name) => name in samples);
  return Object.fromEntries(names.map((name) => [name, samples[name]]));
}

/** Text with `code` marked. */
function rich(text: string): string {
  return escape(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}

function escape(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function hash(source: string): string {
  return `sha256-${createHash('sha256').update(source).digest('base64')}`;
}

const STYLE = `
:root { color-scheme: light dark; --ink: light-dark(#1b2430, #e4e9f0); --soft: light-dark(#5b6675, #9aa7b8);
  --page: light-dark(#fbfaf7, #12161d); --card: light-dark(#ffffff, #1a202a); --line: light-dark(#e2e0d9, #2c3543);
  --get: light-dark(#1e6f50, #6fd3a8); --post: light-dark(#8a4b08, #f0b36b); --link: light-dark(#24559c, #8fb8f5); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0; } h1 small { font-size: .9rem; color: var(--soft); font-weight: 400; }
h2 { margin: 2.2rem 0 .8rem; font-size: 1.15rem; } h3 { font-size: .95rem; margin: 1.1rem 0 .4rem; }
a { color: var(--link); } code, pre { font: .88em ui-monospace, monospace; } i { color: var(--soft); }
details { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: 0 1rem; }
details[open] { padding-bottom: 1rem; }
summary { cursor: pointer; padding: .65rem 0; overflow-wrap: anywhere; } summary span { color: var(--soft); margin-left: .4rem; }
summary:focus-visible, button:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
b.get { color: var(--get); } b.post { color: var(--post); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
td { border-top: 1px solid var(--line); padding: .4rem .8rem .4rem 0; vertical-align: top; }
.curl { position: relative; } pre { background: var(--page); border: 1px solid var(--line); border-radius: .4rem; margin: 0;
  overflow-x: auto; padding: .8rem 4.5rem .8rem .8rem; }
button { position: absolute; top: .5rem; right: .5rem; background: var(--card); color: inherit; border: 1px solid var(--line);
  border-radius: .35rem; cursor: pointer; font: inherit; font-size: .8rem; padding: .15rem .6rem; }
`;

const SCRIPT = `
for (const button of document.querySelectorAll('.curl button')) {
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(button.nextElementSibling.textContent);
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
  });
}
const open = () => { const target = document.getElementById(location.hash.slice(1)); if (target) target.open = true; };
addEventListener('hashchange', open);
open();
`;
