# Warnings and sanitizers, the same for every target of ours.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                    -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Designated initialisers leave the other members at their defaults on purpose.
  add_compile_options(-Wno-missing-field-initializers)
else()
  add_compile_options(-Wno-missing-field-initializers -Wno-c99-designator)
endif()
if(SPORTELLO_WERROR)
  add_compile_options(-Werror)
endif()
if(SPORTELLO_SANITIZE)
  add_compile_options(-fsanitize=${SPORTELLO_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  if(SPORTELLO_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # With g++ these four more than double the time to compile, and find little beside ASan; the fuzz preset,
    # clang's, has them.
    add_compile_options(-fno-sanitize=null,alignment,vptr,object-size)
  endif()
  add_link_options(-fsanitize=${SPORTELLO_SANITIZE})
endif()
