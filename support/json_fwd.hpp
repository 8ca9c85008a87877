// The names of support/json.hpp, for headers that only mention them: no parser comes along, which
// would take a second of every file that includes such a header.
#pragma once

#if __has_include(<nlohmann/detail/abi_macros.hpp>)
#include <nlohmann/detail/abi_macros.hpp>
#endif

#include <cstdint>
#include <iosfwd>
#include <vector>

// As nlohmann/json_fwd.hpp declares them, without its default arguments: these want <map> and
// <memory>, which take longer than all that such a header says. Of another version than this one
// its own header.
#if defined(NLOHMANN_JSON_NAMESPACE_BEGIN) && NLOHMANN_JSON_VERSION_MAJOR == 3 && \
    NLOHMANN_JSON_VERSION_MINOR == 11 && NLOHMANN_JSON_VERSION_PATCH == 2
NLOHMANN_JSON_NAMESPACE_BEGIN
template <typename T, typename SFINAE>
struct adl_serializer;
template <template <typename, typename, typename...> class ObjectType,
          template <typename, typename...> class ArrayType, class StringType, class BooleanType,
          class NumberIntegerType, class NumberUnsignedType, class NumberFloatType,
          template <typename> class AllocatorType,
          template <typename, typename> class JsonSerializer, class BinaryType>
class basic_json;
template <class Key, class T, class IgnoredLess, class Allocator>
struct ordered_map;
NLOHMANN_JSON_NAMESPACE_END
#else
#include <nlohmann/json_fwd.hpp>
#endif

namespace paretoformer {

// nlohmann::ordered_json: insertion-ordered, so that files we write read in the order we think of.
using Json = nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool,
                                  std::int64_t, std::uint64_t, double, std::allocator,
                                  nlohmann::adl_serializer, std::vector<std::uint8_t>>;

class JsonNode;
class JsonObject;

}  // namespace paretoformer
