-- One row for all orders together, and one per order whose value is not the sum of its lines.
with lines as (
    select
        s.order_id,
        sum(s.gross_sales - s.discounts) as line_value
    from core.sales as s
    where s.is_valid and s.line_type = 'sale'
    group by s.order_id
),

compared as (
    select
        coalesce(o.order_id, l.order_id) as order_id,
        coalesce(o.order_value, 0) as order_value,
        coalesce(l.line_value, 0) as line_value
    from core.orders as o
    full join lines as l on o.order_id = l.order_id
),

final as (
    select
        'core.orders' as derived,
        'all orders' as item,
        coalesce(sum(c.order_value), 0) as left_value,
        coalesce(sum(c.line_value), 0) as right_value,
        coalesce(sum(c.order_value - c.line_value), 0) as difference
    from compared as c
    union all
    select
        'core.orders' as derived,
        c.order_id as item,
        c.order_value as left_value,
        c.line_value as right_value,
        c.order_value - c.line_value as difference
    from compared as c
    where c.order_value <> c.line_value
)

select * from final
