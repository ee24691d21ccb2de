-- One row per month and customer location with a line that counts: what was bought from there.
-- The location is that of the customer, not of the shop. Lines without a customer are `Guest`, customers
-- without a location `Unknown`, so that the rows add up to all net sales. Guests are no customers
-- (`customers` is 0).
with lines as (
    select
        s.sold_month as month,
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

customers as (
    select
        c.customer_id,
        c.location
    from core.customers as c
),

sums as (
    select
        l.month,
        case when l.customer_id is null then 'Guest' else c.location end as location,
        count(distinct l.order_id) filter (where l.line_type = 'sale') as orders,
        count(distinct l.customer_id) filter (where l.line_type = 'sale') as customers,
        coalesce(sum(l.quantity) filter (where l.line_type = 'sale'), 0) as units,
        coalesce(sum(-l.quantity) filter (where l.line_type = 'return'), 0) as units_returned,
        sum(l.gross_sales) as gross_sales,
        sum(l.discounts) as discounts,
        sum(l.returns) as returns,
        sum(l.net_sales) as net_sales
    from lines as l
    left join customers as c on l.customer_id = c.customer_id
    group by l.month, case when l.customer_id is null then 'Guest' else c.location end
),

final as (
    select
        t.month,
        t.location,
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
