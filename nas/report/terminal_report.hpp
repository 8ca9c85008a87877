// A front, and one of its networks, drawn in characters for a terminal.
#pragma once

#include <cstddef>
#include <string>

#include "accel_sim/hardware/hardware_space.hpp"
#include "nas/core/archive.hpp"
#include "nas/core/final_front.hpp"
#include "nas/core/predictors.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer::nas {

// The picture of front_svg() in 20 lines of at most 80 characters: "." is a network as the search
// saw it, "o" a member of the front as confirmed, "@" the knee.
std::string front_chart(const Archive& archive, const FinalFront& front);

// A member's objectives, and a line per layer: how much of the space's largest choice every gene
// has, as a bar, and the layer's predicted share of the latency and energy; then what is outside
// the layers.
std::string member_chart(const FrontMember& member, const SearchSpace& space,
                         const Predictors& predictors,
                         const accel_sim::HardwareSpace& hardware = {});

}  // namespace paretoformer::nas
