// Strings that PostgreSQL reads as a date or time relative to now: those with the word now, today, tomorrow
// or yesterday in them ("Today 10:00"). What type a string will be read as, a text does not tell, so that
// every such string counts. Manual: datatype-datetime.html#DATATYPE-DATETIME-SPECIAL-VALUES.
#pragma once

#include <string_view>

#include "protocol/sql/lexer.h"

namespace sportello::sql {

// A value itself: a parameter in text form.
bool names_a_moment(std::string_view value);

// A literal as the text has it. Where escapes or continuation lines could spell such a word: true.
bool may_name_a_moment(const Token& literal, bool standard_conforming_strings);

}  // namespace sportello::sql
