/* SPDX-License-Identifier: ISC */
/*
 * Compiler attributes under plain names.  Where the compiler has none they
 * vanish; nothing may depend on them for its meaning.
 */
#ifndef LIB_ATTR_H
#define LIB_ATTR_H

#if defined(__GNUC__) || defined(__clang__)
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NO_RETURN __attribute__((noreturn))
#else
#define MUST_CHECK
#define PRINTF_LIKE(fmt, args)
#define NO_RETURN
#endif

#endif
