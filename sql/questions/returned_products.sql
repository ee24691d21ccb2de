-- Which products come back most?
-- The twenty products with the highest value of returns over all time. `return_rate` is the value of the
-- returns divided by that of the sales of the product; it can exceed 1 where goods came back that were sold
-- before the data begin. The average of the ratings and their number stand beside: bad ratings often tell
-- why.
with products as (
    select
        s.member as product_id,
        s.member_name as product_name,
        s.gross_less_discounts,
        s.returns,
        s.return_rate,
        s.ratings,
        s.rating_average,
        s.currency
    from customer.satisfaction as s
    where s.breakdown = 'product'
),

categories as (
    select
        p.product_id,
        p.category
    from core.products as p
),

ranked as (
    select
        row_number() over (order by p.returns desc, p.product_id) as rank,
        p.product_id,
        p.product_name,
        c.category,
        p.gross_less_discounts,
        p.returns,
        p.return_rate,
        p.ratings,
        p.rating_average,
        p.currency
    from products as p
    left join categories as c on p.product_id = c.product_id
    where p.returns > 0
),

final as (
    select
        r.rank,
        r.product_id,
        r.product_name,
        r.category,
        r.gross_less_discounts,
        r.returns,
        r.return_rate,
        r.ratings,
        r.rating_average,
        r.currency
    from ranked as r
    where r.rank <= 20
)

select * from final
order by rank
