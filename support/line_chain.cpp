#include "support/line_chain.hpp"

#include "support/error.hpp"
#include "support/hash.hpp"

namespace paretoformer {
namespace {

constexpr const char* kKey = "check";

std::string check_of(std::string_view before, std::string_view line) {
  return hex(hash_text(line, hash_text(before)));
}

// How a line ends that carries that check.
std::string ending(const std::string& check) {
  return ",\"" + std::string(kKey) + "\":\"" + check + "\"}";
}

}  // namespace

LineChain::LineChain(const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  const Json last = Json::parse(lines.back(), nullptr, false);
  if (last.is_object() && last.contains(kKey) && last[kKey].is_string()) last_ = last[kKey];
}

std::string LineChain::line(const Json& json) {
  const std::string text = json.dump();
  last_ = check_of(last_, text);
  return text.substr(0, text.size() - 1) + ending(last_) + "\n";
}

void LineChain::read(std::string_view line, const std::string& where,
                     const std::function<void(const JsonNode&)>& use) {
  Json json = parse_json(line, where);
  const bool has_check = json.is_object() && json.contains(kKey);
  const Json check = has_check ? json[kKey] : Json();
  if (has_check) json.erase(kKey);
  use(JsonNode(json, where));
  if (!has_check && last_.empty()) return;
  const std::string end = check.is_string() ? ending(check.get<std::string>()) : "";
  const bool is_last = !end.empty() && line.ends_with(end);
  if (!is_last ||
      check != check_of(last_, std::string(line.substr(0, line.size() - end.size())) + "}"))
    throw InputError(where + ": was changed after it was written, or the lines before it were: " +
                     "its \"" + kKey + "\" does not fit; restore the file as it was");
  last_ = check.get<std::string>();
}

}  // namespace paretoformer
