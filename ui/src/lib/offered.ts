// All of what a server offers that a person reviews: an approval of its epoch covers all of it.
import type { DefinitionState, Instructions, Tool, ToolList } from "../bindings";

export type Kind = "tool" | "prompt" | "template";

export type Offered = {
  readonly tools: readonly Tool[];
  readonly prompts: readonly Tool[];
  readonly templates: readonly Tool[];
  readonly instructions: Instructions | null;
};

/** An older core tells of tools only. */
export type AnyToolList = Pick<ToolList, "revision" | "tools"> & Partial<ToolList>;

export const nothing: Offered = { tools: [], prompts: [], templates: [], instructions: null };

export function offeredIn({ tools, prompts, templates, instructions }: AnyToolList): Offered {
  return { tools, prompts: prompts ?? [], templates: templates ?? [], instructions: instructions ?? null };
}

export const tellsOfAll = ({ prompts, templates }: AnyToolList): boolean => prompts !== undefined && templates !== undefined;

export function only({ tools, prompts, templates, instructions }: Offered, wanted: (state: DefinitionState) => boolean): Offered {
  const of = (all: readonly Tool[]) => all.filter(({ state }) => wanted(state));
  return {
    tools: of(tools),
    prompts: of(prompts),
    templates: of(templates),
    instructions: instructions && wanted(instructions.state) ? instructions : null,
  };
}

export function count({ tools, prompts, templates, instructions }: Offered): number {
  return tools.length + prompts.length + templates.length + (instructions ? 1 : 0);
}

/** Returns `8 tools, 1 prompt and its instructions`; nothing of which there is none. */
export function inWords({ tools, prompts, templates, instructions }: Offered): string {
  const words = [counted(tools.length, "tool"), counted(prompts.length, "prompt"), counted(templates.length, "resource template")];
  if (instructions) words.push("its instructions");
  const said = words.filter((word) => word !== "");
  return said.length <= 1 ? (said[0] ?? "") : `${said.slice(0, -1).join(", ")} and ${said.at(-1)}`;
}

/** Whether a sentence about them has its verb in the singular. */
export const isOne = (offered: Offered): boolean => count(offered) === 1 && offered.instructions === null;

const counted = (count: number, word: string): string => (count === 0 ? "" : `${count} ${count === 1 ? word : `${word}s`}`);
