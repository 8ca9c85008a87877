// Content hashes (XXH3, 64 bit) and their 16-digit hexadecimal names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace paretoformer {

std::uint64_t hash_bytes(const void* data, std::size_t size, std::uint64_t seed = 0);
std::uint64_t hash_text(std::string_view text, std::uint64_t seed = 0);

// 16 lower-case hexadecimal digits.
std::string hex(std::uint64_t value);

}  // namespace paretoformer
