// The front as a picture: all candidates and the front over two objectives, in SVG.
#pragma once

#include <string>

#include "nas/archive.hpp"

namespace paretoformer {

// The second chosen objective to the right (logarithmic when it spans more than a factor of five),
// the first upwards; older candidates lighter. Hovering over a point of the front names its
// network.
std::string front_svg(const Archive& archive, const std::string& title);

}  // namespace paretoformer
