-- One row per month and product with a line that counts: what it sold, what came back, and to how many.
-- Money stands in the month of its line, returns in the month of the return; products are as they are named
-- now. `orders` and `customers` are distinct within the row and must not be added up; guests are no
-- customers.
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
        p.product_name,
        p.category,
        p.product_type
    from core.products as p
),

sums as (
    select
        l.month,
        l.product_id,
        count(distinct l.order_id) filter (where l.line_type = 'sale') as orders,
        count(distinct l.customer_id) filter (where l.line_type = 'sale') as customers,
        coalesce(sum(l.quantity) filter (where l.line_type = 'sale'), 0) as units,
        coalesce(sum(-l.quantity) filter (where l.line_type = 'return'), 0) as units_returned,
        sum(l.gross_sales) as gross_sales,
        sum(l.discounts) as discounts,
        sum(l.returns) as returns,
        sum(l.net_sales) as net_sales
    from lines as l
    group by l.month, l.product_id
),

final as (
    select
        t.month,
        t.product_id,
        p.product_name,
        p.category,
        p.product_type,
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
    left join products as p on t.product_id = p.product_id
)

select * from final
