// The part of an exported C program that all have in common: the operators of a quantised network
// as calls of Gemmini's public library (gemmini.h of gemmini-rocc-tests), and the report.
#pragma once

#include <string_view>

namespace paretoformer::nas {

extern const std::string_view kGemminiRuntime;

}  // namespace paretoformer::nas
