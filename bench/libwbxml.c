/* Times libwbxml from inside C, so that no foreign-function call is counted against it.
 *
 * Three ways of reading, all with the language set to ActiveSync, as the public identifier of ActiveSync is "unknown":
 *   EVENTS  parser with callbacks that do nothing: no tree, nothing kept (a lower bound, not comparable to a tree)
 *   TREE    wbxml_tree_from_wbxml and wbxml_tree_destroy: its fastest way of handing a whole document to a caller
 *   XML     wbxml_conv_wbxml2xml_run, compact: tree, then XML text; what its public headers offer
 * and one of writing, ENCODE: wbxml_conv_xml2wbxml_run from XML text, without string table and public identifier.
 *
 * The tree and parser functions are exported by the library, but Debian ships no header for them: declared here from
 * the interface of 0.11.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wbxml/wbxml.h>

typedef struct WBXMLTree_s WBXMLTree;
typedef struct WBXMLParser_s WBXMLParser;
typedef struct WBXMLLangEntry_s WBXMLLangEntry;
typedef struct WBXMLTag_s WBXMLTag;
typedef struct WBXMLAttribute_s WBXMLAttribute;
typedef struct {
    void (*start_document)(void *, WBXMLCharsetMIBEnum, const WBXMLLangEntry *);
    void (*end_document)(void *);
    void (*start_element)(void *, WBXMLTag *, WBXMLAttribute **, WB_BOOL);
    void (*end_element)(void *, WBXMLTag *, WB_BOOL);
    void (*characters)(void *, WB_UTINY *, WB_ULONG, WB_ULONG);
    void (*processing_instruction)(void *, const WB_UTINY *, WB_UTINY *);
} ContentHandler;

WBXMLError wbxml_tree_from_wbxml(WB_UTINY *, WB_ULONG, WBXMLLanguage, WBXMLCharsetMIBEnum, WBXMLTree **);
void wbxml_tree_destroy(WBXMLTree *);
WBXMLParser *wbxml_parser_create(void);
void wbxml_parser_destroy(WBXMLParser *);
WB_BOOL wbxml_parser_set_language(WBXMLParser *, WBXMLLanguage);
void wbxml_parser_set_user_data(WBXMLParser *, void *);
void wbxml_parser_set_content_handler(WBXMLParser *, ContentHandler *);
WBXMLError wbxml_parser_parse(WBXMLParser *, WB_UTINY *, WB_ULONG);

enum { EVENTS, TREE, XML, ENCODE };

static void on_start(void *count, WBXMLTag *tag, WBXMLAttribute **attributes, WB_BOOL empty) {
    (void)tag, (void)attributes, (void)empty;
    ++*(uint64_t *)count;
}

static void on_text(void *count, WB_UTINY *text, WB_ULONG start, WB_ULONG length) {
    (void)text, (void)start, (void)length;
    ++*(uint64_t *)count;
}

static WBXMLError events(WB_UTINY *data, WB_ULONG length) {
    uint64_t count = 0;
    ContentHandler handler = {0};
    handler.start_element = on_start;
    handler.characters = on_text;
    WBXMLParser *parser = wbxml_parser_create();
    wbxml_parser_set_user_data(parser, &count);
    wbxml_parser_set_content_handler(parser, &handler);
    wbxml_parser_set_language(parser, WBXML_LANG_ACTIVESYNC);
    WBXMLError error = wbxml_parser_parse(parser, data, length);
    wbxml_parser_destroy(parser);
    return error;
}

static WBXMLError tree(WB_UTINY *data, WB_ULONG length) {
    WBXMLTree *root = NULL;
    WBXMLError error = wbxml_tree_from_wbxml(data, length, WBXML_LANG_ACTIVESYNC, WBXML_CHARSET_UTF_8, &root);
    if (error == WBXML_OK) wbxml_tree_destroy(root);
    return error;
}

/* `out` is the caller's to free. */
static WBXMLError to_xml(WB_UTINY *data, WB_ULONG length, WB_UTINY **out, WB_ULONG *out_length) {
    WBXMLConvWBXML2XML *converter = NULL;
    WBXMLError error = wbxml_conv_wbxml2xml_create(&converter);
    if (error != WBXML_OK) return error;
    wbxml_conv_wbxml2xml_set_gen_type(converter, WBXML_GEN_XML_COMPACT);
    wbxml_conv_wbxml2xml_set_language(converter, WBXML_LANG_ACTIVESYNC);
    wbxml_conv_wbxml2xml_enable_preserve_whitespaces(converter);
    error = wbxml_conv_wbxml2xml_run(converter, data, length, out, out_length);
    wbxml_conv_wbxml2xml_destroy(converter);
    return error;
}

static WBXMLError to_wbxml(WB_UTINY *data, WB_ULONG length, WB_UTINY **out, WB_ULONG *out_length) {
    WBXMLConvXML2WBXML *converter = NULL;
    WBXMLError error = wbxml_conv_xml2wbxml_create(&converter);
    if (error != WBXML_OK) return error;
    wbxml_conv_xml2wbxml_set_version(converter, WBXML_VERSION_13);
    wbxml_conv_xml2wbxml_disable_string_table(converter);
    wbxml_conv_xml2wbxml_disable_public_id(converter);
    wbxml_conv_xml2wbxml_enable_preserve_whitespaces(converter);
    error = wbxml_conv_xml2wbxml_run(converter, data, length, out, out_length);
    wbxml_conv_xml2wbxml_destroy(converter);
    return error;
}

/* One conversion; XML and ENCODE only. Returns libwbxml's error code; `*out` is to be given to bench_free. */
int bench_convert(int what, char *data, size_t length, char **out, size_t *out_length) {
    WB_UTINY *result = NULL;
    WB_ULONG result_length = 0;
    WBXMLError error = (what == XML ? to_xml : to_wbxml)((WB_UTINY *)data, length, &result, &result_length);
    *out = (char *)result;
    *out_length = result_length;
    return error;
}

void bench_free(char *data) { free(data); }

/* CPU nanoseconds of this thread for `repeat` passes over one document; negative: libwbxml's error code. */
int64_t bench_time(int what, char *data, size_t length, int repeat) {
    struct timespec begin, end;
    WBXMLError error = WBXML_OK;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    for (int pass = 0; pass < repeat && error == WBXML_OK; pass++) {
        WB_UTINY *out = NULL;
        WB_ULONG out_length = 0;
        switch (what) {
        case EVENTS: error = events((WB_UTINY *)data, length); break;
        case TREE: error = tree((WB_UTINY *)data, length); break;
        case XML: error = to_xml((WB_UTINY *)data, length, &out, &out_length); break;
        default: error = to_wbxml((WB_UTINY *)data, length, &out, &out_length); break;
        }
        free(out);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    if (error != WBXML_OK) return -(int64_t)error;
    return (int64_t)(end.tv_sec - begin.tv_sec) * 1000000000 + (end.tv_nsec - begin.tv_nsec);
}
