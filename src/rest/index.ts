/** The door of the legacy REST layer. */
export { docsHandler } from './docs.ts';
export { notFoundHandler } from './not-found.ts';
export { openApiDocument } from './openapi.ts';
export { createRest, type RestOptions } from './router.ts';
