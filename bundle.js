// Makes what browsers load out of static/css and static/js: a stylesheet and a script for each audience, under a name that
// has the hash of its content, and compressed. bin/bundle calls it.
import { build } from "esbuild";
import { readFile, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";

const BUILT = "static/built";
const LIST = "static/built.json"; // file: the path below static/built of its newest version
const WEEK = 7 * 24 * 60 * 60 * 1000;
// The browsers of late 2022.
const BROWSERS = ["chrome108", "firefox108", "safari16.2"];

const { metafile } = await build({
  entryPoints: [
    "static/css/for_agents.css",
    "static/css/for_customers.css",
    "static/js/for_agents.js",
    "static/js/for_customers.js",
    "static/favicon.svg",
  ],
  outdir: BUILT,
  entryNames: "[hash]/[name]",
  loader: { ".svg": "copy" },
  bundle: true,
  minify: true,
  sourcemap: "linked",
  target: BROWSERS,
  metafile: true,
});
const made = Object.keys(metafile.outputs)
  .filter((path) => !path.endsWith(".map"))
  .map((path) => relative(BUILT, path));

await Promise.all(made.map(compress));
await dropOld();
await writeFile(LIST, JSON.stringify(Object.fromEntries(made.map((path) => [path.split("/")[1], path])), null, 2));

async function compress(path) {
  const file = join(BUILT, path);
  const bytes = await readFile(file);
  await writeFile(`${file}.br`, await promisify(brotliCompress)(bytes));
  await writeFile(`${file}.gz`, await promisify(gzip)(bytes, { level: 9 }));
}

// A desk that was started before serves the files of then: they stay for a week after the last day on which they were made.
async function dropOld() {
  const before = JSON.parse(await readFile(LIST, "utf8").catch(() => "{}"));
  const now = new Date();
  for (const path of [...Object.values(before), ...made]) {
    await utimes(join(BUILT, path.split("/")[0]), now, now).catch(() => {});
  }
  for (const hash of await readdir(BUILT)) {
    const folder = join(BUILT, hash);
    if (now - (await stat(folder)).mtime > WEEK) await rm(folder, { recursive: true });
  }
}
