/** A column of a {@link Grid}. */
export interface Column {
  key: string;
  label: string;
  /** As in `grid-template-columns`. */
  width: string;
  right?: boolean;
  /** Left out where there is little room. */
  wide?: boolean;
}
