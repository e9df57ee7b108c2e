// Shell completion, from the commands and flags that the parser has.
// SPDX-License-Identifier: Apache-2.0
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "operator-api/cli/commands.h"

namespace rendercar::ctl {
namespace {

std::vector<std::string> WordsOf(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    words.push_back(command->get_name());
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  return words;
}

// One line of the script's case: the path of a command and what may follow.
void AddCase(const CLI::App& app, const std::string& path, std::string& cases) {
  absl::StrAppend(&cases, "    '", path, "') words='", absl::StrJoin(WordsOf(app), " "), "' ;;\n");
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    AddCase(*command, absl::StrCat(path, "/", command->get_name()), cases);
}

}  // namespace

std::string CompletionScript(const CLI::App& app) {
  std::string cases;
  AddCase(app, "", cases);
  return absl::StrCat(
      R"(# bash completion for rendercarctl: put it into /etc/bash_completion.d, or source it.
_rendercarctl() {
  local at path='' words=''
  for ((at = 1; at < COMP_CWORD; at++)); do
    case "${COMP_WORDS[at]}" in -*) ;; *) path="$path/${COMP_WORDS[at]}" ;; esac
  done
  while :; do
    case "$path" in
)",
      cases, R"(    esac
    if [ -n "$words" ] || [ -z "$path" ]; then break; fi
    path=${path%/*}
  done
  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _rendercarctl rendercarctl
)");
}

}  // namespace rendercar::ctl
