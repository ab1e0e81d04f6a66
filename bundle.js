// Makes what browsers load out of static/css and static/js: a stylesheet and a script for each audience, under a path that has
// the hash of its content, and compressed. bin/bundle calls it.
import { build, transform } from "esbuild";
import { mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";

const BUILT = resolve("static/built");
const LIST = `${BUILT}.json`; // the path below static/built of the newest version of each file
const WEEK = 7 * 24 * 60 * 60 * 1000;
// The browsers of late 2022.
const BROWSERS = ["chrome108", "firefox108", "safari16.2"];

const { outputFiles } = await build({
  entryPoints: [
    "static/css/for_agents.css",
    "static/css/for_customers.css",
    "static/css/demo.css",
    "static/js/for_agents.js",
    "static/js/for_customers.js",
    "static/js/widget/widget.js",
    "static/js/alerts/worker.js",
    "static/favicon.svg",
    "static/icons/desk-180.png",
    "static/icons/desk-192.png",
    "static/icons/desk-512.png",
    "static/icons/desk-maskable.png",
  ],
  outdir: BUILT,
  entryNames: "[hash]/[name]",
  loader: { ".svg": "copy", ".png": "copy" },
  plugins: [{ name: "styles as text", setup: (bundler) => bundler.onLoad({ filter: /\/widget\.css$/ }, styleText) }],
  bundle: true,
  minify: true,
  sourcemap: "linked",
  target: BROWSERS,
  write: false,
}).catch(() => process.exit(1)); // esbuild has said what is wrong

const files = outputFiles.filter(({ path }) => !path.endsWith(".map"));
await Promise.all(outputFiles.map(({ path, contents }) => write(path, contents)));
await Promise.all(files.map(compress));
await dropOld();
const newest = files.map(({ path }) => [basename(path), relative(BUILT, path)]);
await write(LIST, JSON.stringify(Object.fromEntries(newest), null, 2));

// The widget's styles are a text in its script: on another site's page there is nothing else that could load them.
async function styleText({ path }) {
  const { code } = await transform(await readFile(path), { loader: "css", minify: true, target: BROWSERS });
  return { contents: code.trim(), loader: "text" };
}

// In one step: a desk may be serving the file.
async function write(path, contents) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.new`, contents);
  await rename(`${path}.new`, path);
}

async function compress({ path, contents }) {
  await write(`${path}.br`, await promisify(brotliCompress)(contents));
  await write(`${path}.gz`, await promisify(gzip)(contents, { level: 9 }));
}

// A desk that has been running since before serves the files of then: they stay for a week after they were the newest.
async function dropOld() {
  const now = new Date();
  const before = JSON.parse(await readFile(LIST, "utf8").catch(() => "{}"));
  const inUse = new Set([...Object.values(before), ...files.map(({ path }) => relative(BUILT, path))].map(dirname));
  for (const hash of await readdir(BUILT)) {
    const folder = join(BUILT, hash);
    if (inUse.has(hash)) await utimes(folder, now, now);
    else if (now - (await stat(folder)).mtime > WEEK) await rm(folder, { recursive: true });
  }
}
