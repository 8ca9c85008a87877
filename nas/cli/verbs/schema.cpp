#include "nas/cli/arguments.hpp"
#include "nas/cli/command_io.hpp"
#include "nas/cli/verbs.hpp"
#include "nas/run/config_schema.hpp"
#include "support/fields.hpp"

namespace paretoformer::nas {
namespace {

struct SchemaOptions {
  std::string name = "configuration";
  bool table = false;
};

void show_schema(const SchemaOptions& options, const CommonOptions&) {
  Json schema = find_schema(options.name);
  if (options.table) return print(table_of(schema));
  Json dialect = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}};
  dialect.update(schema);
  print(to_text(dialect));
}

}  // namespace

void add_schema(CLI::App& app, CommonOptions& common) {
  CLI::App* verb = app.add_subcommand(
      "schema", "Print which keys a file may have, as a JSON Schema for editors and checkers");
  SchemaOptions& options = options_of(verb, common, show_schema);
  verb->add_option("NAME", options.name,
                   "configuration, hardware, search_space, architecture, or a section of a "
                   "configuration such as training (default: configuration)");
  verb->add_flag("--table", options.table, "Print a table in Markdown instead");
}

}  // namespace paretoformer::nas
