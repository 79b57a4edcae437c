import type { RequestHandler } from 'express';
import { ok, refusal, send, type Answer } from './answers.ts';
import { docsPage } from './docs-page.ts';
import { openApiDocument } from './openapi.ts';

const pages: Readonly<Record<string, () => Answer>> = {
  '/openapi.json': () => ok(openApiDocument),
  '/docs': () => docs,
};

const { html, policy } = docsPage(openApiDocument);
const docs: Answer = {
  status: 200,
  headers: {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy,
  },
  text: html,
};

/** Serves `/openapi.json` and `/docs`, to anybody; lets every other path pass. Mounted at the root. */
export const docsHandler: RequestHandler = (request, response, next) => {
  const page = Object.hasOwn(pages, request.path) && pages[request.path];
  if (!page) return next();
  const readable = request.method === 'GET' || request.method === 'HEAD';
  send(response, readable ? page() : refusal(405, 'Method Not Allowed', { allow: 'GET, HEAD' }));
};
