// The configuration that Gradio writes into the page; `languages/text.js` reads the texts.
interface Window { gradio_config?: { i18n_translations?: Record<string, { page: Record<string, string> }> }, __gradio_session_hash__?: string }
// What Gradio hands to the script of an HTML component (`js_on_load`), which runs as the body of a function.
declare const element: HTMLElement;
declare const props: { value?: any, savable?: boolean };
declare function trigger(event: string, detail?: unknown): void;
declare function watch(property: string, onChange: () => void): void;
// Both scripts as functions, in a comparison that is a file of its own (`viewer/shared_page.py`).
declare function runViewer(element: HTMLElement, props: { value?: any }, watch: (property: string, onChange: () => void) => void): void;
declare function runTable(element: HTMLElement, props: { value?: any }, watch: (property: string, onChange: () => void) => void): void;
declare function runTranslation(): void;
