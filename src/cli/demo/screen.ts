import { createLogUpdate } from 'log-update';
import { renderChange, renderLive, type Change } from './display.ts';
import type { Model } from './model.ts';

/** Ten pictures a second turn the spinner smoothly; only lines that changed are written. */
const FRAME = 100;

/** Where the progress is shown. */
export interface Screen {
  /** Tells of something that has just happened to the model. */
  show: (change: Change) => void;
  /** Draws for the last time and leaves the picture standing. */
  close: () => void;
}

/** Redraws in place on a terminal; anywhere else (a pipe, CI) writes one plain line for each change. */
export function openScreen(model: Model, stream: NodeJS.WriteStream): Screen {
  return stream.isTTY ? liveScreen(model, stream) : plainScreen(model, stream);
}

function liveScreen(model: Model, stream: NodeJS.WriteStream): Screen {
  const log = createLogUpdate(stream);
  const draw = (still = false) => log(renderLive(model, Date.now(), still).join('\n'));
  const timer = setInterval(() => draw(), FRAME);
  return {
    show: () => draw(),
    close: () => {
      clearInterval(timer);
      draw(true);
      log.done();
    },
  };
}

function plainScreen({ simulated }: Model, stream: NodeJS.WriteStream): Screen {
  const start = Date.now();
  return {
    show: (change) => void stream.write(`${renderChange(change, simulated, Date.now() - start)}\n`),
    close: () => {},
  };
}
