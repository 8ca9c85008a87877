// What a test asks of a picture: that it is well-formed, and how often something is in it.
#pragma once

#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

namespace paretoformer::nas {

inline std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size())
    ++count;
  return count;
}

// Tags are closed in the order in which they were opened, and all characters are escaped.
inline void expect_well_formed(const std::string& svg) {
  static const std::regex tag(R"re(<(/?)([a-z]+)((?: [a-zA-Z0-9:-]+="[^"<&]*")*)(/?)>)re");
  static const std::regex character_data(R"re(([^<>&]|&(amp|lt|gt);)*)re");
  std::vector<std::string> open;
  std::string::const_iterator at = svg.begin();
  for (std::smatch match; std::regex_search(at, svg.end(), match, tag); at = match.suffix().first) {
    EXPECT_TRUE(std::regex_match(match.prefix().str(), character_data)) << match.prefix();
    if (match[1].length() > 0) {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), match[2]);
      open.pop_back();
    } else if (match[4].length() == 0) {
      open.push_back(match[2]);
    }
  }
  EXPECT_EQ(std::string(at, svg.end()), "\n");
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf\""), std::string::npos);
}

}  // namespace paretoformer::nas
