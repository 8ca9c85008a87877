// The case study as a table, for a terminal and for documents, and as a picture.
#pragma once

#include <string>
#include <vector>

#include "nas/run/study.hpp"
#include "nas/run/study_seeds.hpp"

namespace paretoformer::nas {

struct StudyTable {
  std::string title;
  std::vector<std::vector<std::string>> rows;  // a head first
};
// A line per step with its factors over the step before, and beside them what the survey published;
// a line per rival.
std::vector<StudyTable> study_tables(const Study& study);
// What they come to, line by line.
std::string study_summary(const Study& study);
// Both for a terminal.
std::string study_table(const Study& study);
// The same in Markdown.
std::string study_markdown(const Study& study);
// Energy-delay products, step by step.
std::string study_svg(const Study& study, const std::string& title);

// Studies of several seeds together, for a terminal and in Markdown.
std::string study_seeds_table(const StudySeeds& seeds);
std::string study_seeds_markdown(const StudySeeds& seeds);

}  // namespace paretoformer::nas
