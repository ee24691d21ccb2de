-- One row per order: an order number with at least one line that counts and sells; returns alone are no order.
-- Moment and shop are those of the earliest line; the customer is that of the earliest line that names one, and
-- `customer_conflict` tells that another line names another. `order_value` is what was paid for the goods when
-- ordering; `order_net_value` deducts the returns that can be linked to the order, whenever they came up to the
-- as-of date, whereas `kpi` books returns on their own day: the two agree over all time only.
with sale_lines as (
    select
        s.order_id,
        s.sale_id,
        s.customer_id,
        s.product_id,
        s.store_id,
        s.quantity,
        s.gross_sales,
        s.discounts,
        s.shipping_amount,
        s.tax_amount,
        s.sold_at,
        s.sold_date,
        s.sold_month,
        s.currency,
        s.source_id,
        row_number() over (partition by s.order_id order by s.sold_at, s.sale_id) as line_rank,
        row_number() over (
            partition by s.order_id order by s.customer_id is null, s.sold_at, s.sale_id
        ) as customer_rank
    from core.sales as s
    where s.is_valid and s.line_type = 'sale'
),

return_lines as (
    select
        s.order_id,
        s.original_sale_id,
        s.quantity,
        s.returns
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.line_type = 'return' and s.sold_date <= c.as_of_date
),

linked as (
    select
        coalesce(l.order_id, r.order_id) as order_id,
        sum(r.returns) as linked_returns,
        sum(-r.quantity) as linked_units_returned
    from return_lines as r
    left join sale_lines as l on r.original_sale_id = l.sale_id
    group by coalesce(l.order_id, r.order_id)
),

orders as (
    select
        l.order_id,
        max(l.customer_id) filter (where l.customer_rank = 1) as customer_id,
        count(distinct l.customer_id) > 1 as customer_conflict,
        max(l.sold_at) filter (where l.line_rank = 1) as ordered_at,
        max(l.sold_date) filter (where l.line_rank = 1) as order_date,
        max(l.sold_month) filter (where l.line_rank = 1) as order_month,
        max(l.store_id) filter (where l.line_rank = 1) as store_id,
        max(l.currency) filter (where l.line_rank = 1) as currency,
        max(l.source_id) filter (where l.line_rank = 1) as source_id,
        count(*) as lines,
        count(distinct l.product_id) as products,
        sum(l.quantity) as units,
        sum(l.gross_sales) as gross_sales,
        sum(l.discounts) as discounts,
        sum(l.shipping_amount) as shipping,
        sum(l.tax_amount) as tax
    from sale_lines as l
    group by l.order_id
),

numbered as (
    select
        o.order_id,
        row_number() over (partition by o.customer_id order by o.ordered_at, o.order_id) as order_number,
        lag(o.order_date) over (partition by o.customer_id order by o.ordered_at, o.order_id)
            as previous_order_date
    from orders as o
    where o.customer_id is not null
),

final as (
    select
        o.order_id,
        o.customer_id,
        o.customer_id is null as is_guest,
        o.customer_conflict,
        o.ordered_at,
        o.order_date,
        o.order_month,
        o.store_id,
        o.lines,
        o.products,
        o.units,
        o.gross_sales,
        o.discounts,
        o.discounts > 0 as has_discount,
        o.gross_sales - o.discounts as order_value,
        coalesce(l.linked_returns, 0) as linked_returns,
        coalesce(l.linked_units_returned, 0) as linked_units_returned,
        o.gross_sales - o.discounts - coalesce(l.linked_returns, 0) as order_net_value,
        o.shipping,
        o.tax,
        o.currency,
        n.order_number,
        coalesce(n.order_number = 1, false) as is_first_order,
        n.previous_order_date,
        o.order_date - n.previous_order_date as days_since_previous_order,
        o.source_id
    from orders as o
    left join linked as l on o.order_id = l.order_id
    left join numbered as n on o.order_id = n.order_id
)

select * from final
