-- One row per product with a sale line that counts, up to the as-of date: how much of it sells on discount
-- only. A line is discounted if an amount was taken off, or if the source says so without the amount
-- (`lines_of_unknown_discount`, which take part in counts, not in money). `price_per_unit_discounted` and
-- `price_per_unit_full` are what was paid per unit with and without discount. Returns are left out: they say
-- nothing about why it was bought.
with lines as (
    select
        s.product_id,
        s.order_id,
        s.quantity,
        s.gross_sales,
        s.discounts,
        s.discounts > 0 or s.discount_unknown as is_discounted,
        s.discount_unknown and s.discounts = 0 as is_unknown
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.line_type = 'sale' and s.sold_date <= c.as_of_date
),

products as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.product_type
    from core.products as p
),

sums as (
    select
        l.product_id,
        count(distinct l.order_id) as orders,
        count(*) as lines,
        count(*) filter (where l.is_discounted) as discounted_lines,
        count(*) filter (where l.is_unknown) as lines_of_unknown_discount,
        sum(l.quantity) as units,
        coalesce(sum(l.quantity) filter (where l.is_discounted), 0) as discounted_units,
        sum(l.gross_sales) as gross_sales,
        sum(l.discounts) as discounts,
        coalesce(sum(l.gross_sales) filter (where l.discounts > 0), 0) as discounted_gross_sales,
        coalesce(sum(l.gross_sales - l.discounts) filter (where l.is_discounted), 0) as discounted_value,
        coalesce(sum(l.gross_sales) filter (where not l.is_discounted), 0) as full_value
    from lines as l
    group by l.product_id
),

final as (
    select
        s.product_id,
        p.product_name,
        p.category,
        p.product_type,
        s.orders,
        s.lines,
        s.discounted_lines,
        s.discounted_lines::double precision / nullif(s.lines, 0) as discounted_line_share,
        s.lines_of_unknown_discount,
        s.units,
        s.discounted_units,
        s.discounted_units::double precision / nullif(s.units, 0) as discounted_unit_share,
        s.gross_sales,
        s.discounts,
        s.discounts::double precision / nullif(s.gross_sales, 0) as discount_rate,
        s.discounted_gross_sales,
        s.discounts::double precision / nullif(s.discounted_gross_sales, 0) as discount_depth,
        (s.discounted_value / nullif(s.discounted_units, 0))::numeric(18, 4) as price_per_unit_discounted,
        (s.full_value / nullif(s.units - s.discounted_units, 0))::numeric(18, 4) as price_per_unit_full,
        s.lines < k.min_group_size as low_n,
        c.currency
    from sums as s
    cross join core.clock as c
    cross join core.parameters as k
    left join products as p on s.product_id = p.product_id
)

select * from final
