#include "support/checksum.hpp"

#include "support/error.hpp"
#include "support/hash.hpp"

namespace paretoformer {

std::string Checksum::added_to(const std::string& text) const {
  return text + std::string(before) + hex(hash_text(text)) + std::string(after);
}

void Checksum::require(const std::string& text, const std::string& file) const {
  const std::size_t last = text.rfind(before);
  if (last == std::string::npos || text != added_to(text.substr(0, last)))
    throw InputError(file + ": the checksum does not match: the file was cut or edited");
}

}  // namespace paretoformer
