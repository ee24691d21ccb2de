-- One row per month and category with a line that counts: what it sold, what came back, and to how many.
-- A category is the first level of the path that the product has now; products without one are `Unknown`.
-- An order with products of two categories counts in both, so `orders` and `customers` must not be added up.
with lines as (
    select
        s.sold_month as month,
        s.product_id,
        s.order_id,
        s.customer_id,
        s.quantity,
        s.line_type,
        s.gross_sales,
        s.discounts,
        s.returns,
        s.net_sales
    from core.sales as s
    cross join core.clock as c
    where s.is_valid and s.sold_date <= c.as_of_date
),

products as (
    select
        p.product_id,
        p.category
    from core.products as p
),

sums as (
    select
        l.month,
        p.category,
        count(distinct l.order_id) filter (where l.line_type = 'sale') as orders,
        count(distinct l.customer_id) filter (where l.line_type = 'sale') as customers,
        coalesce(sum(l.quantity) filter (where l.line_type = 'sale'), 0) as units,
        coalesce(sum(-l.quantity) filter (where l.line_type = 'return'), 0) as units_returned,
        sum(l.gross_sales) as gross_sales,
        sum(l.discounts) as discounts,
        sum(l.returns) as returns,
        sum(l.net_sales) as net_sales
    from lines as l
    inner join products as p on l.product_id = p.product_id
    group by l.month, p.category
),

final as (
    select
        t.month,
        t.category,
        t.orders,
        t.customers,
        t.units,
        t.units_returned,
        t.gross_sales,
        t.discounts,
        t.returns,
        t.net_sales,
        c.currency
    from sums as t
    cross join core.clock as c
)

select * from final
