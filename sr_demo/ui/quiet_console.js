// Leaves out a warning of Gradio's client, which it writes twice for each upload: that it cannot close the stream of the upload's
// progress, which has ended by then.
{
  const warn = console.warn;
  console.warn = (...said) => {
    if (said[0] !== "Method not implemented.") warn.apply(console, said);
  };
}
