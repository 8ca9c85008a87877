// The names of support/json.hpp, for headers that only mention them: no parser comes along, which
// would take a second of every file that includes such a header.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace paretoformer {

// Insertion-ordered, so that files we write read in the order we think of.
using Json = nlohmann::ordered_json;

class JsonNode;
class JsonObject;

}  // namespace paretoformer
