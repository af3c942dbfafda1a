import type { Kind } from '../agent.ts';

/** Both the tool's words and what its commands print come from outside: what could drive a terminal is taken out. */
const PRELUDE = `
def text: if type == "string" then . elif . == null then "" else tojson end;
def clean: text | .[0:8000] | explode
  | map(select(. == 9 or . == 10 or (. >= 32 and . < 127) or (. > 159 and . != 8232 and . != 8233))) | implode;
def brief($max): clean | split("\\n") | join(" ") | if length > $max then .[0:$max] + "…" else . end;
def indented: "  " + .;
def head($max): clean | split("\\n") | map(select(. != "")) as $lines
  | ($lines[0:$max][] | .[0:400] | indented), (($lines | length) as $n | if $n > $max then "  … \\($n - $max) more lines" else empty end);
def said: clean | select(. != "") | ., "";
def trouble: "! " + brief(1000);
def tokens($in; $out): "\\($in // 0) tokens in, \\($out // 0) out";
`;

const CODEX = `
def unquoted: if length > 1 and startswith("'") and endswith("'") then .[1:-1] else . end;
def item_begun:
  if .type == "command_execution" then "$ " + (.command | text | ltrimstr("/bin/bash -lc ") | unquoted | brief(1000)) else empty end;
def item_done:
  if .type == "agent_message" then .text | said
  elif .type == "reasoning" then .text | head(3)
  elif .type == "command_execution" then (.aggregated_output | head(8)), "  [exit \\(.exit_code // "unknown")]"
  elif .type == "file_change" then .changes[]? | "± \\(.kind | text) " + (.path | brief(300))
  elif .type == "error" then .message | trouble
  else "· " + (.type | brief(100)) end;
def view:
  if .type == "thread.started" then "— conversation " + (.thread_id | brief(100))
  elif .type == "item.started" then .item | item_begun
  elif .type == "item.completed" then .item | item_done
  elif .type == "error" then .message | trouble
  elif .type == "turn.failed" then "failed: \\(.error.message | text)" | trouble
  elif .type == "turn.completed" then "— turn ended: " + tokens(.usage.input_tokens; .usage.output_tokens)
  else empty end;
`;

const CLAUDE = `
def input_of: if .name == "Bash" then "$ " + (.input.command | brief(1000)) else "→ \\(.name | brief(100)) " + (.input | brief(300)) end;
def spoken:
  if .type == "text" then .text | said
  elif .type == "tool_use" then input_of
  elif .type == "thinking" then .thinking | head(3)
  else empty end;
def result_text: if (.content | type) == "array" then [.content[] | .text | text] | join("\\n") else .content | text end;
def heard:
  if .type == "tool_result" then (result_text | head(8)), (if .is_error == true then "  [error]" else "  [ok]" end) else empty end;
def ended:
  (if .is_error == true then "failed: \\(.result // .errors // .subtype | text)" | trouble else empty end),
  "— turn ended: " + tokens((.usage.input_tokens // 0) + (.usage.cache_creation_input_tokens // 0) + (.usage.cache_read_input_tokens // 0); .usage.output_tokens);
def view:
  if .type == "system" and .subtype == "init" then "— conversation " + (.session_id | brief(100)) + ", " + (.model | brief(100))
  elif .type == "system" and .subtype == "api_retry" then "model: trying again, \\(.attempt) of \\(.max_retries) (\\(.error_status // "no answer") \\(.error | text))" | trouble
  elif .type == "system" and .subtype == "permission_denied" then "permission denied: \\(.tool_name | text)" | trouble
  elif .type == "assistant" then .message.content[]? | spoken
  elif .type == "user" then .message.content | if type == "array" then .[] | heard else empty end
  elif .type == "result" then ended
  else empty end;
`;

/** What is no event is shown as it is, and so is an event of a shape that nobody foresaw. */
const EACH_LINE = `
. as $line | (try fromjson catch null)
| if type == "object" then (try view catch ($line | brief(400))) else $line | brief(2000) end
`;

/**
 * For each tool the jq program (`jq -R -r --unbuffered`) that makes its lines readable for a person watching.
 * jq 1.6 suffices, also one built without regular expressions. A command's own output is shown as it is.
 */
export const VIEW_FILTERS: Readonly<Record<Kind['tool'], string>> = {
  codex: `${PRELUDE}${CODEX}${EACH_LINE}`,
  claude: `${PRELUDE}${CLAUDE}${EACH_LINE}`,
  command: '.',
};
