import type { RequestHandler } from 'express';
import { notFound, send } from './answers.ts';

/** Answers what nothing else did, in the legacy form; the last handler of the app. */
export const notFoundHandler: RequestHandler = (request, response) => {
  send(response, notFound);
  request.resume();
};
