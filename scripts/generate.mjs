// `npm run generate`: writes the files that programs write, docs/openapi.json among them.
import { heading, script } from "./lib/say.mjs";
import { writeGenerated } from "./lib/generated.mjs";
import { setUp } from "./setup.mjs";

script(async () => {
  await setUp("start");
  heading("generate: the files that programs write");
  await writeGenerated();
});
