// The files that people write, as JSON Schemas: which keys there are, what they may be, what they
// mean. The tables of the documentation are made from them.
#pragma once

#include <string>
#include <vector>

#include "support/json.hpp"

namespace paretoformer::nas {

// "configuration", "hardware", "search_space", "architecture".
const std::vector<std::string>& schema_names();

// By one of these names, or that of a section of a configuration ("training"). Throws InputError.
Json find_schema(const std::string& name);

}  // namespace paretoformer::nas
