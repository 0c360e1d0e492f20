# Types for the compiled form of wbxml.py, and C versions of what stands there between "pure: begin" and "pure: end".

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.unicode cimport PyUnicode_AsUTF8String
from libc.string cimport memchr, memcmp, memcpy

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object)
    void* PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)


cdef list _TABLES, _SWITCH, _OPAQUE_SHORT
cdef dict _EMPTY, _TEXT_STARTS, _STARTS, _EMPTY_ELEMENTS
cdef tuple _DEFAULT_BOUNDS
cdef Py_ssize_t _PAUSE_ABOVE


cdef inline Py_ssize_t _find(bytes data, int byte, Py_ssize_t position) except -1:
    """Position of the next such byte; ValueError where there is none."""
    cdef const char* start = PyBytes_AS_STRING(data)
    cdef const char* found = <const char*> memchr(start + position, byte, PyBytes_GET_SIZE(data) - position)
    if found is NULL:
        raise ValueError
    return found - start


cdef inline bint _starts(bytes data, bytes start) noexcept:
    cdef Py_ssize_t length = PyBytes_GET_SIZE(start)
    return PyBytes_GET_SIZE(data) >= length and memcmp(PyBytes_AS_STRING(data), PyBytes_AS_STRING(start), length) == 0


# A growing buffer; whoever takes one releases it. One of moderate size is kept for the next call, because the pages of
# fresh memory cost more than all the copying. The GIL guards it: nothing between taking and giving back releases it
# without having taken the buffer away first.
ctypedef struct Output:
    char* data
    Py_ssize_t length
    Py_ssize_t capacity

cdef Output* _spare
cdef enum:
    _KEPT = 1 << 20


cdef inline Output* _output() except NULL:
    global _spare
    cdef Output* out = _spare
    if out is not NULL:
        _spare = NULL
        out.length = 0
        return out
    out = <Output*> PyMem_Malloc(sizeof(Output))
    if out is NULL:
        raise MemoryError
    out.length = 0
    out.capacity = 4096
    out.data = <char*> PyMem_Malloc(out.capacity)
    if out.data is NULL:
        PyMem_Free(out)
        raise MemoryError
    return out


cdef inline int _release(Output* out) noexcept:
    global _spare
    if _spare is NULL and out.capacity <= _KEPT:
        _spare = out
    else:
        PyMem_Free(out.data)
        PyMem_Free(out)
    return 0


cdef inline Py_ssize_t _length(Output* out) noexcept:
    return out.length


cdef inline bytes _joined(Output* out):
    return PyBytes_FromStringAndSize(out.data, out.length)


cdef inline int _grow(Output* out, Py_ssize_t needed) except -1:
    cdef char* data = <char*> PyMem_Realloc(out.data, needed + needed // 2)
    if data is NULL:
        raise MemoryError
    out.data = data
    out.capacity = needed + needed // 2
    return 0


cdef inline int _append(Output* out, const char* data, Py_ssize_t length) except -1:
    cdef Py_ssize_t needed = out.length + length
    if needed > out.capacity:
        _grow(out, needed)
    if length == 2:
        out.data[out.length] = data[0]
        out.data[out.length + 1] = data[1]
    else:
        memcpy(out.data + out.length, data, length)
    out.length = needed
    return 0


cdef inline int _put(Output* out, bytes data) except -1:
    return _append(out, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data))


cdef inline str _utf8(str text):
    """The text itself: `_put_text` encodes it straight into the buffer."""
    return text


cdef inline int _put_text(Output* out, str text) except -1:
    """Append the UTF-8 of text; ValueError where it holds a NUL or cannot be encoded."""
    cdef const char* data
    cdef Py_ssize_t length
    cdef bytes encoded
    if PyUnicode_IS_COMPACT_ASCII(text):
        data = <const char*> PyUnicode_DATA(text)
        length = PyUnicode_GET_LENGTH(text)
    else:
        encoded = PyUnicode_AsUTF8String(text)
        data = PyBytes_AS_STRING(encoded)
        length = PyBytes_GET_SIZE(encoded)
    if memchr(data, 0, length) is not NULL:
        raise ValueError
    return _append(out, data, length)


@cython.locals(
    total=Py_ssize_t, text_limit=Py_ssize_t, opaque_limit=Py_ssize_t, depth=Py_ssize_t, elements=Py_ssize_t,
    position=Py_ssize_t, root_at=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t, length=Py_ssize_t, page=Py_ssize_t,
    _=Py_ssize_t, token=int, loose=bint, names=list, children=list, outer=list, around=tuple, tag=str, root=str,
)
cdef _decode(bytes data, limits, errors)

@cython.locals(last=Py_ssize_t, token=int)
cdef Py_ssize_t _find_root(bytes data, Py_ssize_t position, Py_ssize_t elements) except -1

@cython.locals(offset=Py_ssize_t, byte=int, value="long long")
cdef tuple _read_multi_byte(bytes data, Py_ssize_t position)

cdef _settle(list children)

@cython.locals(
    total=Py_ssize_t, room=Py_ssize_t, elements=Py_ssize_t, depth=Py_ssize_t, size=Py_ssize_t, page=Py_ssize_t, number=Py_ssize_t,
    start=bytes, inline=bytes, text=str,
    parents=list, _=Py_ssize_t,
)
cdef _encode(tuple root, limits, Output* out)
