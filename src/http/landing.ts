/** The page at `/`: what this is, and where everything is. */
export function landingPage(simulated: boolean): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Offpeak</title>
<style>
  :root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea; --ground: #fbfcfd; --card: #fff; --accent: #2f6f5e; }
  @media (prefers-color-scheme: dark) { :root { --ink: #e8ecf1; --soft: #97a3b3; --line: #2a323d; --ground: #12161b; --card: #191f26; --accent: #6cc2a8; } }
  * { box-sizing: border-box; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; padding: 2rem 1.25rem; }
  main { width: min(40rem, 100%); }
  h1 { font-size: 2.1rem; margin: 0; letter-spacing: -.02em; }
  p { color: var(--soft); margin: .5rem 0 1.75rem; }
  ul { list-style: none; margin: 0; padding: 0; border: 1px solid var(--line); border-radius: .75rem; background: var(--card); overflow: hidden; }
  li + li { border-top: 1px solid var(--line); }
  a { display: grid; grid-template-columns: 6.5rem 1fr auto; gap: 1rem; align-items: baseline; padding: .9rem 1.1rem; color: inherit; text-decoration: none; }
  @media (max-width: 30rem) { a { grid-template-columns: 1fr auto; } a span { grid-row: 2; } }
  a:hover, a:focus-visible { background: color-mix(in srgb, var(--accent) 10%, transparent); outline: none; }
  b { color: var(--accent); font-weight: 600; }
  code { font: .875rem ui-monospace, monospace; color: var(--soft); }
  .badge { display: inline-block; margin-left: .6rem; padding: .1rem .55rem; border-radius: 1rem; font-size: .8rem; font-weight: 600; letter-spacing: .04em; vertical-align: .35rem; background: #b45309; color: #fff; }
</style>
</head>
<body>
<main>
  <h1>Offpeak${simulated ? '<span class="badge">SIMULATED</span>' : ''}</h1>
  <p>AI jobs that can wait, run at half price through Anthropic’s Message Batches API.${
    simulated
      ? ' No API key is set, so an emulator answers: nothing here is real, and nothing is billed.'
      : ''
  }</p>
  <ul>
    <li><a href="/graphql"><b>GraphiQL</b> <span>try the GraphQL API</span> <code>/graphql</code></a></li>
    <li><a href="/docs"><b>REST</b> <span>the legacy API</span> <code>/api/v1/batch</code></a></li>
    <li><a href="/openapi.json"><b>OpenAPI</b> <span>its description</span> <code>/openapi.json</code></a></li>
    <li><a href="/readyz"><b>Health</b> <span>is it ready?</span> <code>/readyz</code></a></li>
  </ul>
</main>
</body>
</html>
`;
}
