import { svelte } from "@sveltejs/vite-plugin-svelte";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

/** Writes `FILE.br` and `FILE.gz` beside every file, so that the keeper never compresses anything itself. */
function precompress(): Plugin {
  let out = "";
  return {
    name: "precompress",
    apply: "build",
    configResolved(config) {
      out = join(config.root, config.build.outDir);
    },
    async closeBundle() {
      const brotli = promisify(brotliCompress);
      const zip = promisify(gzip);
      for (const entry of await readdir(out, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const path = join(entry.parentPath, entry.name);
        const bytes = await readFile(path);
        const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY };
        await writeFile(`${path}.br`, await brotli(bytes, { params }));
        await writeFile(`${path}.gz`, await zip(bytes, { level: constants.Z_BEST_COMPRESSION }));
      }
    },
  };
}

/** `SKEP_SOCKET=…/keeper.sock npm run dev` shows a keeper that runs: its socket needs no token. */
const socket = process.env["SKEP_SOCKET"];

export default defineConfig({
  plugins: [svelte(), precompress()],
  build: {
    target: "es2022",
    // The page's policy allows no `data:` addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: socket
    ? { proxy: { "/api": { target: { socketPath: socket, host: "localhost", port: 80 } as never } } }
    : {},
});
