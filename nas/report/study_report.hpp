// The case study as a table, for a terminal and for documents, and as a picture.
#pragma once

#include <string>

#include "nas/run/study.hpp"

namespace paretoformer::nas {

// A line per step with its factors over the step before, and beside them what the survey published;
// then what they come to.
std::string study_table(const Study& study);
// The same in Markdown.
std::string study_markdown(const Study& study);
// Energy-delay products, step by step.
std::string study_svg(const Study& study, const std::string& title);

}  // namespace paretoformer::nas
